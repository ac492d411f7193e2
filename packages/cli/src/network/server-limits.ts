// What an operator can change about the bounds on sites and strangers: `zk0 server start --limit <name>=<number>`.
import { nearest } from "@zk0/arrays";
import { z } from "zod";
import { CliError } from "../cli-error.ts";

const positive = z.number().positive();
const count = z.int().positive();

/** The limits that can be set; what is absent has its default. */
export const serverLimitsSchema = z.strictObject({
	/** Runs at once; further ones wait for their turn. */
	runs: count.optional(),
	/** Connections in all. */
	connections: count.optional(),
	/** Connections from one address. */
	connectionsPerAddress: count.optional(),
	/** New connections from one address, per second in the long run. */
	newConnectionsPerSecond: positive.optional(),
	/** Calls at once on one connection. */
	callsPerConnection: count.optional(),
	/** Calls of one site, per second in the long run. */
	callsPerSecond: positive.optional(),
	/** Calls of keys that are no members from one address, per second in the long run. */
	strangerCallsPerSecond: positive.optional(),
	/** MiB of messages that all calls together hold in memory. */
	mibInFlight: positive.optional(),
	/** MiB of messages that the calls of one site hold in memory. */
	mibInFlightPerSite: positive.optional(),
	/** Seconds that a site has for one message of at most 16 MiB. */
	secondsPerMessage: positive.optional(),
});

/** The limits that were set. */
export type ServerLimits = z.infer<typeof serverLimitsSchema>;

/** The names, in the order in which people think of them. */
export const LIMIT_NAMES: readonly string[] = Object.keys(serverLimitsSchema.shape);

/** Reads `name=number` pairs. @throws CliError "bad-flag" */
export function parseLimits(pairs: Readonly<Record<string, string>>): ServerLimits {
	const wrong = Object.keys(pairs).find((name) => !LIMIT_NAMES.includes(name));
	if (wrong !== undefined)
		throw new CliError("bad-flag", `--limit ${wrong}: there is no such limit`, {
			cure: `did you mean ${nearest(wrong, LIMIT_NAMES) ?? LIMIT_NAMES.join(", ")}?`,
		});
	const numbers = Object.fromEntries(Object.entries(pairs).map(([name, text]) => [name, Number(text)]));
	const parsed = serverLimitsSchema.safeParse(numbers);
	if (parsed.success) return parsed.data;
	throw new CliError("bad-flag", `--limit: ${z.prettifyError(parsed.error)}`, {
		cure: "give a positive number, for example --limit connectionsPerAddress=5000",
		cause: parsed.error,
	});
}
