// Who takes part and who may look: sites with their keys, invitations, and people with their roles. Viewers see it all;
// the buttons are the operators'.
import { invitationViewSchema, memberViewSchema } from "@zk0/dashboard/views";
import { useState } from "preact/hooks";
import { z } from "zod";
import { change, wordsOf } from "../api.ts";
import { useLive } from "../live.ts";
import { Card, Empty, Failure } from "../parts/card.tsx";
import { OneField } from "../parts/one-field.tsx";
import { Secret } from "../parts/secret.tsx";
import { Table } from "../parts/table.tsx";
import { useSession } from "../session.ts";
import { useRead } from "../use-read.ts";
import { INVITATION_COLUMNS, memberColumns } from "./access/columns.tsx";
import { People } from "./access/people.tsx";

const membersSchema = z.object({
	members: z.array(memberViewSchema),
	invitations: z.array(invitationViewSchema),
});
const nothing = z.unknown();

/** The page. */
export function AccessPage() {
	const { status } = useLive();
	const session = useSession();
	const isOperator = session.role === "operator";
	const [version, setVersion] = useState(0);
	const [failure, setFailure] = useState<string | null>(null);
	const [secret, setSecret] = useState<{ readonly title: string; readonly text: string } | null>(null);
	const states = status?.sites.map(({ site, state, isOnline }) => `${site} ${state} ${isOnline}`).join();
	const { data, error } = useRead("/members", membersSchema, `${version} ${states}`);
	const act = (work: () => Promise<void>): void => {
		setFailure(null);
		work()
			.then(() => setVersion((before) => before + 1))
			.catch((problem: unknown) => setFailure(wordsOf(problem)));
	};
	const { csrfToken } = session;
	const invite = (site: string): void =>
		act(async () => {
			const schema = z.object({ invitation: z.string() });
			const body = { site: site === "" ? null : site };
			const { invitation } = await change("POST", "/invitations", { body, csrfToken, schema });
			setSecret({
				title: `Invitation for ${site === "" ? "a site" : site}`,
				text: `zk0 client join ${invitation} <recordings>`,
			});
		});
	const decide = (verb: "approve" | "revoke", site: string): void =>
		act(async () => {
			if (verb === "revoke" && !confirm(`Shut ${site} out for good? Its name stays taken.`)) return;
			await change("POST", `/members/${verb}`, { body: { site }, csrfToken, schema: nothing });
		});
	if (error !== null) return <Failure text={error} />;
	if (data === null) return <Empty>Loading…</Empty>;
	return (
		<>
			<header class="page-head">
				<div>
					<h1>Access</h1>
					<p class="quiet">
						You are {session.name},{" "}
						{session.role === "operator"
							? "with an operator's rights"
							: "a viewer: you see everything and change nothing"}
						.
					</p>
				</div>
			</header>
			{failure !== null && <Failure text={failure} />}
			{secret !== null && <Secret key={secret.text} {...secret} onClose={() => setSecret(null)} />}
			<div class="columns">
				<Card title="Sites" span={3}>
					{data.members.length === 0 ? (
						<Empty>No site has joined yet</Empty>
					) : (
						<Table
							label="Sites"
							rows={data.members}
							columns={memberColumns(isOperator ? decide : null)}
							keyOf={({ site }) => site}
							limit={50}
						/>
					)}
				</Card>
				<Card title="Invitations">
					{isOperator && (
						<OneField label="Site's name" button="Invite" hint="empty: the site chooses" onSend={invite} />
					)}
					{data.invitations.length === 0 ? (
						<Empty>Nobody was invited yet</Empty>
					) : (
						<Table
							label="Invitations"
							rows={data.invitations}
							columns={INVITATION_COLUMNS}
							keyOf={({ id }) => id}
							limit={10}
						/>
					)}
				</Card>
				<Card title="People" span={2}>
					{isOperator ? (
						<People version={version} act={act} onSecret={setSecret} />
					) : (
						<Empty>Only operators see who else may look</Empty>
					)}
				</Card>
			</div>
		</>
	);
}
