// `zk0 server rotate-ca`: another certificate authority, without inviting the sites again.
import { z } from "zod";
import { defineCommand } from "../command.ts";
import { callAdmin } from "../network/admin-client.ts";
import { STATE_OPTION, serverHome } from "../network/home.ts";

const statusSchema = z.object({
	authority: z.string(),
	changesAt: z.string(),
	known: z.array(z.string()),
	missing: z.array(z.string()),
});

const UNIT_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 } as const;
const DURATION = /^(\d{1,5})([dhms])$/;

/** `30d`, `12h`, `5m` or `10s` in milliseconds. */
function durationMs(text: string): number {
	const [, count = "0", unit = "s"] = DURATION.exec(text) ?? [];
	return Number(count) * (unit === "d" || unit === "h" || unit === "m" ? UNIT_MS[unit] : UNIT_MS.s);
}

/** `zk0 server rotate-ca`. */
export const serverRotateCa = defineCommand({
	options: {
		state: STATE_OPTION,
		overlap: {
			kind: "text",
			schema: z.string().regex(DURATION, "expected a time like 30d, 12h or 5m"),
			value: "<time>",
			summary: "time for the sites to hear of it before the server changes to it (default: 30d)",
		},
	},
	notes: [
		"Sites that are online learn of the new authority within seconds, from the server that they trust, and keep it; they trust both until the change. A site that is offline all the time needs a new invitation then, and is told so.",
		"Run it again to see which sites know it, or with --overlap to change the time.",
		"Invitations that are not used by then, and programs that were given authority.pem (Flower's nodes, Prometheus), need the new one.",
	],
	examples: ["zk0 server rotate-ca", "zk0 server rotate-ca --overlap 90d"],
	async run({ values, host, output }) {
		const overlapMs = values.overlap === undefined ? null : durationMs(values.overlap);
		const status = await callAdmin(
			serverHome(host, values.state),
			{ method: "POST", path: "/authority/rotate", body: { overlapMs } },
			statusSchema,
			host.signal,
		);
		const { authority, changesAt, known, missing } = status;
		output.result(status, () =>
			[
				`authority ${authority.slice(0, 16)} is announced; the server changes to it on ${changesAt}`,
				`known by ${known.length} of ${known.length + missing.length} sites`,
				...(missing.length === 0
					? []
					: [`not yet by ${missing.join(", ")}: start their clients before then`]),
			].join("\n"),
		);
	},
});
