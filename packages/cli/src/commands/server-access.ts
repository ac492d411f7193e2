// `zk0 server dashboard` and `zk0 server user …`: opening the dashboard, and who else may.
import { z } from "zod";
import { defineCommand } from "../command.ts";
import { adminFileSchema, callAdmin } from "../network/admin-client.ts";
import { type ServerHome, STATE_OPTION, serverHome } from "../network/home.ts";
import { readJsonFile } from "../network/private-file.ts";
import { serverSettingsSchema } from "../network/server-settings.ts";

const STATE = { state: STATE_OPTION };
const codeSchema = z.object({ code: z.string(), expiresAtMs: z.number() });
const usersSchema = z.object({
	users: z.array(z.object({ name: z.string(), role: z.string(), addedAt: z.string() })),
});

/** `zk0 server dashboard`. */
export const serverDashboard = defineCommand({
	options: STATE,
	notes: ["Whoever has the link is an operator: it is for you. For others: zk0 server user add <name>."],
	examples: ["zk0 server dashboard"],
	async run({ values, host, output }) {
		const home = serverHome(host, values.state);
		const request = { method: "POST", path: "/codes", body: {} } as const;
		const { code } = await callAdmin(home, request, codeSchema, host.signal);
		// What follows the # stays in the browser: it is in no log and in no request line.
		const links = (await addressesOf(home)).map((address) => `${address}/#code=${code}`);
		output.result({ links }, () => links.join("\n"));
	},
});

/** `zk0 server user add`. */
export const serverUserAdd = defineCommand({
	positionals: [{ name: "name", summary: "the person's name" }],
	options: {
		...STATE,
		role: {
			kind: "text",
			schema: z.enum(["viewer", "operator"]),
			value: "<role>",
			summary:
				"viewer: looks at everything (the default); operator: also invites, approves, starts and stops",
		},
	},
	notes: ["The token is shown once and kept nowhere: send it as you would send a password."],
	examples: ["zk0 server user add anna --role viewer"],
	async run({ values, named, host, output }) {
		const home = serverHome(host, values.state);
		const body = { name: named["name"] ?? "", role: values.role ?? "viewer" };
		const request = { method: "POST", path: "/users", body } as const;
		const { token } = await callAdmin(home, request, z.object({ token: z.string() }), host.signal);
		const links = (await addressesOf(home)).map((address) => `${address}/#code=${token}`);
		output.result({ ...body, token, links }, () =>
			[`token ${token}`, ...links.map((link) => `link  ${link}`)].join("\n"),
		);
	},
});

/** `zk0 server user list`. */
export const serverUserList = defineCommand({
	options: STATE,
	async run({ values, host, output }) {
		const request = { method: "GET", path: "/users" } as const;
		const found = await callAdmin(serverHome(host, values.state), request, usersSchema, host.signal);
		output.result(found, () =>
			found.users.length === 0
				? "nobody yet: zk0 server user add <name>"
				: found.users
						.map(({ name, role, addedAt }) => `${name.padEnd(20)} ${role.padEnd(8)} since ${addedAt}`)
						.join("\n"),
		);
	},
});

/** `zk0 server user remove`. */
export const serverUserRemove = defineCommand({
	positionals: [{ name: "name", summary: "the person's name" }],
	options: STATE,
	async run({ values, named, host, output }) {
		const name = named["name"] ?? "";
		const request = { method: "DELETE", path: `/users/${encodeURIComponent(name)}` } as const;
		await callAdmin(serverHome(host, values.state), request, z.object({}), host.signal);
		output.result({ name }, () => `${name} has no access any more`);
	},
});

/** Where browsers find the running server. */
async function addressesOf(home: ServerHome): Promise<string[]> {
	const admin = await readJsonFile(home.admin, adminFileSchema);
	const settings = await readJsonFile(home.settings, serverSettingsSchema);
	const beyond =
		settings?.dashboard == null ? [] : [`https://${settings.address}:${settings.dashboard.port}`];
	return [...(admin === undefined ? [] : [`http://127.0.0.1:${admin.port}`]), ...beyond];
}
