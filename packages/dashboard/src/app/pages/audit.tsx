// Who did what to the federation and to its access, newest first. The lines come from two hash-chained logs; `zk0 server
// check` verifies them.
import { type AuditEntry, auditEntrySchema } from "@zk0/dashboard/views";
import { z } from "zod";
import { formatCount, formatTime } from "../format.ts";
import { setQuery, usePlace } from "../location.ts";
import { Badge, Card, Empty, Failure } from "../parts/card.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { useRead } from "../use-read.ts";

const PAGE = 100;
const pageSchema = z.object({ entries: z.array(auditEntrySchema), numEntries: z.number() });

const COLUMNS: readonly Column<AuditEntry>[] = [
	{ name: "When", cell: ({ at }) => <time title={at}>{formatTime(at)}</time> },
	{ name: "Who", cell: ({ who }) => who },
	{
		name: "What",
		cell: ({ what, isWarning }) => (
			<>
				{isWarning && <Badge tone="warn">refused</Badge>} {what}
			</>
		),
	},
	{ name: "About", cell: ({ about }) => about ?? "–" },
];

/** The page. */
export function AuditPage() {
	const { query } = usePlace();
	const skip = Math.max(0, Number(query.get("skip") ?? "0") || 0);
	const { data, error } = useRead(`/audit?skip=${skip}&limit=${PAGE}`, pageSchema);
	if (error !== null) return <Failure text={error} />;
	if (data === null) return <Empty>Loading…</Empty>;
	const keyed = data.entries.map((entry, index) => ({ ...entry, key: `${skip + index}` }));
	return (
		<>
			<header class="page-head">
				<h1>Audit log</h1>
				<span class="quiet">{formatCount(data.numEntries)} lines</span>
			</header>
			<Card title={skip === 0 ? "Newest" : `Before the newest ${skip}`} span={3}>
				{keyed.length === 0 ? (
					<Empty>{skip === 0 ? "Nothing happened yet" : "There are no older lines"}</Empty>
				) : (
					<Table label="Audit log" rows={keyed} columns={COLUMNS} keyOf={({ key }) => key} limit={PAGE} />
				)}
				<nav class="steps" aria-label="Pages">
					{skip > 0 && (
						<button type="button" onClick={() => setQuery("skip", String(Math.max(0, skip - PAGE)))}>
							← newer
						</button>
					)}
					{skip + PAGE < data.numEntries && (
						<button type="button" onClick={() => setQuery("skip", String(skip + PAGE))}>
							older →
						</button>
					)}
				</nav>
			</Card>
		</>
	);
}
