// `node --import tsx --conditions=source tools/fuzz.ts [seconds per target] [target] [seed]`: damaged files against
// every reader, each target in a child process with little memory. Prints the seed; the same seed finds the same.
// A finding is a case that takes more than two seconds of processor time, does not end in a minute, ends the process, takes more than a gigabyte, or ends in
// anything but values or an error of the package.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { TARGETS, type TargetName } from "./fuzz/targets.ts";

const CASES_PER_CHILD = 400;
/** Processor time: a machine at work on other things makes everything slower. */
const MAX_CPU_MS = 2000;
const KILL_AFTER_MS = 60_000;
const MAX_RSS_KB = 1 << 20;

const messageSchema = z.discriminatedUnion("kind", [
	z.object({ kind: z.literal("ready") }),
	z.object({ kind: z.literal("begin"), index: z.int() }),
	z.object({
		kind: z.literal("end"),
		index: z.int(),
		failure: z.string().nullable(),
		cpuMs: z.number(),
		maxRssKb: z.number(),
	}),
]);

interface Batch {
	readonly target: TargetName;
	readonly seed: number;
	readonly first: number;
}

/** Runs cases until the batch is done or the child is gone; returns the first case that was not run. */
async function runBatch({ target, seed, first }: Batch, report: (index: number, what: string) => void) {
	const entry = fileURLToPath(new URL("./fuzz/worker.ts", import.meta.url));
	const child = fork(entry, [target, seed, first, CASES_PER_CHILD].map(String), {
		execArgv: ["--import", "tsx", "--conditions=source", "--max-old-space-size=512"],
		stdio: ["ignore", "ignore", "inherit", "ipc"],
	});
	let at = first - 1;
	let next = first;
	let maxRssKb = 0;
	let timer: NodeJS.Timeout | undefined;
	child.on("message", (json) => {
		const message = messageSchema.parse(json);
		clearTimeout(timer);
		if (message.kind === "begin") {
			at = message.index;
			timer = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
		} else if (message.kind === "end") {
			next = message.index + 1;
			if (message.failure !== null) report(at, message.failure);
			if (message.cpuMs > MAX_CPU_MS) report(at, `took ${Math.round(message.cpuMs)} ms of processor time`);
			if (message.maxRssKb > MAX_RSS_KB && maxRssKb <= MAX_RSS_KB)
				report(at, `${message.maxRssKb} KB of memory`);
			maxRssKb = Math.max(maxRssKb, message.maxRssKb);
		}
	});
	const how = await new Promise<string | null>((resolve) => {
		child.on("exit", (code, signal) => resolve(code === 0 ? null : (signal ?? `exit code ${code}`)));
	});
	clearTimeout(timer);
	if (how !== null) {
		report(at, `ended the process: ${how}`);
		next = at + 1;
	}
	return next;
}

const [seconds, only, seed] = z
	.tuple([
		z.coerce.number().default(60),
		z.enum(["all", ...TARGETS]).default("all"),
		z.coerce.number().default(1),
	])
	.parse([process.argv[2], process.argv[3], process.argv[4]]);
let numFindings = 0;
for (const target of only === "all" ? TARGETS : [only]) {
	const endMs = performance.now() + seconds * 1000;
	let first = 0;
	const seen = new Set<string>();
	while (performance.now() < endMs) {
		first = await runBatch({ target, seed, first }, (index, what) => {
			const kind = what.split("\n").slice(0, 3).join("\n").replaceAll(/\d+/g, "N");
			numFindings++;
			if (!seen.has(kind)) console.log(`FOUND ${target} seed ${seed} case ${index}: ${what}`);
			seen.add(kind);
		});
	}
	console.log(`${target}: ${first} cases with seed ${seed}, ${seen.size} kinds of findings`);
}
process.exitCode = numFindings === 0 ? 0 : 1;
