// The people who may use the dashboard, with their roles; operators add and remove them.
import { userViewSchema } from "@zk0/dashboard/views";
import { useState } from "preact/hooks";
import { z } from "zod";
import { change } from "../../api.ts";
import { formatTime } from "../../format.ts";
import { Badge, Empty, Failure } from "../../parts/card.tsx";
import { OneField } from "../../parts/one-field.tsx";
import { Table } from "../../parts/table.tsx";
import { useSession } from "../../session.ts";
import { useRead } from "../../use-read.ts";

const usersSchema = z.object({ users: z.array(userViewSchema) });
const nothing = z.unknown();

/** The people, and adding one. */
export function People({
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
