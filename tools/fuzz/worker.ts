// Child process of tools/fuzz.ts: runs cases of one target and reports each; what hangs or dies is the parent's to see.
// Arguments: target, seed, first case, number of cases.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { z } from "zod";
import { edits } from "./mutate.ts";
import { openTarget, TARGETS } from "./targets.ts";

const [target, seed, first, count] = z
	.tuple([z.enum(TARGETS), z.coerce.number(), z.coerce.number(), z.coerce.number()])
	.parse(process.argv.slice(2));
const folder = mkdtempSync(join(tmpdir(), "zk0-fuzz-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
process.on("disconnect", () => process.exit(1));
const cases = fc.sample(edits, { seed, numRuns: first + count }).slice(first);
{
	await using opened = await openTarget(target, folder);
	process.send?.({ kind: "ready" });
	for (const [index, damage] of cases.entries()) {
		process.send?.({ kind: "begin", index: first + index });
		const before = process.cpuUsage();
		let failure: string | null = null;
		try {
			await opened.run(damage);
		} catch (error) {
			failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
		}
		const { user, system } = process.cpuUsage(before);
		const end = { index: first + index, failure, cpuMs: (user + system) / 1000 };
		process.send?.({ kind: "end", ...end, maxRssKb: process.resourceUsage().maxRSS });
	}
}
process.exit(0);
