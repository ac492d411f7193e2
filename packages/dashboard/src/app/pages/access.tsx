// Who takes part and who may look: sites with their keys, invitations, and people with their roles. Viewers see it all;
// the buttons are the operators'.
import {
	type InvitationView,
	invitationViewSchema,
	type MemberView,
	memberViewSchema,
	userViewSchema,
} from "@zk0/dashboard/views";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { z } from "zod";
import { change, wordsOf } from "../api.ts";
import { formatCount, formatTime, shortHash } from "../format.ts";
import { useLive } from "../live.ts";
import { Badge, Card, Empty, Failure } from "../parts/card.tsx";
import { DoctorBadge, Recordings } from "../parts/recordings.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { useSession } from "../session.ts";
import { useRead } from "../use-read.ts";

const membersSchema = z.object({
	members: z.array(memberViewSchema),
	invitations: z.array(invitationViewSchema),
});
const usersSchema = z.object({ users: z.array(userViewSchema) });
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
			{secret !== null && <Secret {...secret} onClose={() => setSecret(null)} />}
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

function Secret({
	title,
	text,
	onClose,
}: {
	readonly title: string;
	readonly text: string;
	readonly onClose: () => void;
}) {
	const [isCopied, setCopied] = useState(false);
	const copy = (): void => {
		navigator.clipboard.writeText(text).then(
			() => setCopied(true),
			() => setCopied(false),
		);
	};
	return (
		<section class="callout secret" role="status" aria-label={title}>
			<div>
				<strong>{title}</strong>
				<p class="quiet">Shown once and kept nowhere. Send it as you would send a password.</p>
				<code>{text}</code>
			</div>
			<div class="buttons">
				<button type="button" onClick={copy}>
					{isCopied ? "Copied" : "Copy"}
				</button>
				<button type="button" onClick={onClose}>
					Close
				</button>
			</div>
		</section>
	);
}

function OneField({
	label,
	button,
	hint,
	more,
	onSend,
}: {
	readonly label: string;
	readonly button: string;
	readonly hint?: string;
	/** Between the field and the button. */
	readonly more?: ComponentChildren;
	readonly onSend: (text: string) => void;
}) {
	const [text, setText] = useState("");
	return (
		<form
			class="one-field"
			onSubmit={(event) => {
				event.preventDefault();
				onSend(text.trim());
				setText("");
			}}
		>
			<label>
				{label}{" "}
				<input value={text} placeholder={hint} onInput={(event) => setText(event.currentTarget.value)} />
			</label>
			{more}
			<button type="submit" class="primary">
				{button}
			</button>
		</form>
	);
}

function People({
	version,
	act,
	onSecret,
}: {
	readonly version: number;
	readonly act: (work: () => Promise<void>) => void;
	readonly onSecret: (secret: { readonly title: string; readonly text: string }) => void;
}) {
	const { csrfToken } = useSession();
	const { data, error } = useRead("/users", usersSchema, version);
	const [role, setRole] = useState<"viewer" | "operator">("viewer");
	const add = (name: string): void =>
		act(async () => {
			const schema = z.object({ token: z.string() });
			const { token } = await change("POST", "/users", { body: { name, role }, csrfToken, schema });
			onSecret({ title: `Link for ${name}, ${role}`, text: `${location.origin}/#code=${token}` });
		});
	const remove = (name: string): void =>
		act(async () => {
			await change("DELETE", `/users/${encodeURIComponent(name)}`, { csrfToken, schema: nothing });
		});
	if (error !== null) return <Failure text={error} />;
	return (
		<>
			<OneField
				label="Name"
				button="Add"
				onSend={add}
				more={
					<label class="pick">
						as{" "}
						<select
							value={role}
							onChange={(event) => setRole(event.currentTarget.value === "operator" ? "operator" : "viewer")}
						>
							<option value="viewer">viewer</option>
							<option value="operator">operator</option>
						</select>
					</label>
				}
			/>
			{data === null || data.users.length === 0 ? (
				<Empty>Nobody but you</Empty>
			) : (
				<Table
					label="People"
					rows={data.users}
					keyOf={({ name }) => name}
					columns={[
						{ name: "Name", cell: ({ name }) => name },
						{ name: "Role", cell: (user) => <Badge>{user.role}</Badge> },
						{ name: "Since", cell: ({ addedAt }) => formatTime(addedAt) },
						{
							name: "Change",
							cell: ({ name }) => (
								<button type="button" class="danger" onClick={() => remove(name)}>
									Remove <span class="unseen">{name}</span>
								</button>
							),
						},
					]}
				/>
			)}
		</>
	);
}

const STATE_TONE = { approved: "good", pending: "warn", revoked: "bad" } as const;

function memberColumns(
	decide: ((verb: "approve" | "revoke", site: string) => void) | null,
): readonly Column<MemberView>[] {
	const columns: Column<MemberView>[] = [
		{ name: "Site", cell: ({ site }) => site, sortBy: ({ site }) => site },
		{
			name: "State",
			cell: ({ state, isOnline, paused }) => (
				<>
					<Badge tone={STATE_TONE[state]}>{state}</Badge> {isOnline && <Badge tone="good">online</Badge>}{" "}
					{paused !== null && <Badge tone="warn">paused: {paused}</Badge>}
				</>
			),
			sortBy: ({ state }) => state,
		},
		{
			name: "Key",
			cell: ({ key, signs }) => (
				<>
					<code title={key}>{shortHash(key)}</code> {!signs && <Badge tone="warn">does not sign</Badge>}
				</>
			),
		},
		{
			name: "Joined",
			cell: ({ registeredAt, peer }) => <span title={`from ${peer ?? "–"}`}>{formatTime(registeredAt)}</span>,
			sortBy: ({ registeredAt }) => registeredAt,
		},
		{
			name: "Samples",
			isNumber: true,
			cell: ({ numSamples }) => formatCount(numSamples),
			sortBy: ({ numSamples }) => numSamples,
		},
		{
			name: "Doctor",
			hint: "What the doctor said of the recordings when the site joined",
			cell: ({ doctor }) => (doctor === null ? "–" : <DoctorBadge doctor={doctor} />),
			sortBy: ({ doctor }) => (doctor === null ? null : doctor.errors * 1000 + doctor.warnings),
		},
		{
			name: "Recordings",
			cell: ({ details }) =>
				details === null ? (
					"–"
				) : (
					<details>
						<summary>show</summary>
						<Recordings details={details} />
					</details>
				),
		},
	];
	if (decide !== null)
		columns.push({
			name: "Change",
			cell: ({ site, state }) => (
				<span class="buttons">
					{state === "pending" && (
						<button type="button" class="primary" onClick={() => decide("approve", site)}>
							Approve <span class="unseen">{site}</span>
						</button>
					)}
					{state !== "revoked" && (
						<button type="button" class="danger" onClick={() => decide("revoke", site)}>
							Revoke <span class="unseen">{site}</span>
						</button>
					)}
				</span>
			),
		});
	return columns;
}

const INVITATION_COLUMNS: readonly Column<InvitationView>[] = [
	{ name: "For", cell: ({ site }) => site ?? "any site" },
	{
		name: "State",
		cell: ({ usedBy, expiresAt }) =>
			usedBy !== null ? (
				<Badge tone="good">used by {usedBy}</Badge>
			) : Date.parse(expiresAt) < Date.now() ? (
				<Badge>expired</Badge>
			) : (
				<Badge tone="live">open</Badge>
			),
	},
	{ name: "Until", cell: ({ expiresAt }) => formatTime(expiresAt) },
];
