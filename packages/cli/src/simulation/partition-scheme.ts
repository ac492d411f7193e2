// How to divide one dataset among many sites, as people write it: `iid:4`.
import type { PartitionScheme } from "@zk0/dataset";
import { z } from "zod";

const MAX_CLIENTS = 1000;

/** `iid:4`, `modulo:4` or `dirichlet:4:0.5`: scheme, clients and alpha. */
export const partitionText: z.ZodType<string, string> = z
	.string()
	.refine(
		(text) => schemeOf(text) !== null,
		`expected iid:<clients>, modulo:<clients> or dirichlet:<clients>:<alpha> with 2 to ${MAX_CLIENTS} clients, e.g. dirichlet:4:0.5`,
	);

function schemeOf(text: string): PartitionScheme | null {
	const [, by, count, alphaText] = /^(iid|modulo|dirichlet):(\d+)(?::(\d+(?:\.\d+)?))?$/.exec(text) ?? [];
	const clients = Number(count);
	if (!(clients >= 2 && clients <= MAX_CLIENTS)) return null;
	const alpha = Number(alphaText);
	if (by === "dirichlet") return alpha > 0 ? { by, clients, alpha } : null;
	return (by === "iid" || by === "modulo") && alphaText === undefined ? { by, clients } : null;
}

/** The scheme of a text that {@link partitionText} accepted. */
export function parsePartition(text: string): PartitionScheme {
	const scheme = schemeOf(text);
	if (scheme === null) throw new RangeError(`parsePartition: "${text}" was not checked`);
	return scheme;
}
