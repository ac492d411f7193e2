// Whether what lies in a run's directory is what its log says: the chain of the log, the start, every round's weights in
// the object store and in the checkpoints, and the signatures of the sites' updates. It reads and computes; it trusts
// nothing that a file says of itself.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { codeOf } from "@zk0/arrays";
import { hashTensors, sha256File } from "@zk0/arrays/node";
import { isSignedReply, type RoundEvent, replayRun } from "@zk0/federation";
import { type Checkpoint, type OpenOptions, openCheckpoint, trainedNames, weightsPath } from "@zk0/policy";
import { roundsWithCheckpoints } from "../run-directory/kept-rounds.ts";
import type { RunPaths } from "../run-directory/paths.ts";
import { readEvents } from "../run-directory/read-run.ts";
import { readRunRecord, requireRounds } from "../run-directory/run-record.ts";
import { boundCheckpoints, frozenHash } from "./checkpoint-content.ts";

/** One thing that was looked at. */
export interface Check {
	readonly subject: string;
	/** `absent`: there is nothing (any more) to compare. */
	readonly state: "holds" | "fails" | "absent";
	readonly detail: string;
}

/** What was found about a run. */
export interface Verification {
	readonly runId: string;
	/** Hash of the log's last line, which names the whole history; null when the log is broken. */
	readonly logHead: string | null;
	readonly checks: readonly Check[];
	/** Nothing failed. */
	readonly holds: boolean;
}

/** Options of `verifyRun`. */
export interface VerifyOptions {
	readonly open: OpenOptions;
	/** A checkpoint that is said to come from the run. */
	readonly checkpoint?: string;
}

/** Looks at everything of a run. @throws RecordsError "no-rounds", "run-damaged" when its record cannot be read; storage errors */
export async function verifyRun(paths: RunPaths, { open, checkpoint }: VerifyOptions): Promise<Verification> {
	const record = await readRunRecord(paths.config);
	requireRounds(record);
	const log = await readLog(paths.events);
	if ("why" in log) {
		const checks = [check("log", false, log.why)];
		return { runId: paths.id, logHead: null, checks, holds: false };
	}
	const { events, head } = log;
	const weights = replayRun(events).weightsHistory;
	const checks: Check[] = [
		check("log", true, `${events.length} events, whole, head ${head.slice(0, 12)}`),
		...nameChecks(events, record.runId),
		...checkSignatures(events),
		...(await checkLogEnd(paths, weights.length)),
		...(await checkStored(paths, events, weights)),
		...(await checkCheckpoints(paths, record.initial.modelSha256, weights, open)),
	];
	if (checkpoint !== undefined) checks.push(await checkOrigin(checkpoint, weights, open));
	return { runId: paths.id, logHead: head, checks, holds: checks.every(({ state }) => state !== "fails") };
}

function check(subject: string, holds: boolean, detail: string): Check {
	return { subject, state: holds ? "holds" : "fails", detail };
}

type Log = Awaited<ReturnType<typeof readEvents>>;

async function readLog(path: string): Promise<Log | { readonly why: string }> {
	try {
		return await readEvents(path);
	} catch (error) {
		// A broken log is a finding, not a failure of the command.
		if (error instanceof Error && codeOf(error) === "log-tampered") return { why: error.message };
		throw error;
	}
}

function nameChecks(events: readonly RoundEvent[], recorded: string): Check[] {
	const started = events.find((event) => event.kind === "run.started");
	if (started === undefined) return [{ subject: "run", state: "absent", detail: "it has not begun" }];
	return [
		check("run", started.runId === recorded, `the log is of ${started.runId}, the record of ${recorded}`),
	];
}

/** The hashes of a log hold for its beginning, too: that its end is missing shows in what was made after it. */
async function checkLogEnd(paths: RunPaths, numRounds: number): Promise<Check[]> {
	// The start's checkpoint is there before the log.
	const unnamed = (await roundsWithCheckpoints(paths)).filter((round) => round > 0 && round >= numRounds);
	if (unnamed.length === 0) return [];
	const names = `checkpoints of round ${unnamed.join(", ")}`;
	return [check("log's end", false, `there are ${names}, which the log does not name: lines were cut off`)];
}

/** Every update's signature under the key that its site joined with. */
export function checkSignatures(events: readonly RoundEvent[]): Check[] {
	const keys = new Map<string, string>();
	const bySite = new Map<string, { signed: number; unsigned: number; broken: number }>();
	for (const event of events) {
		if (event.kind === "site.joined" && event.publicKey !== null) keys.set(event.site, event.publicKey);
		if (event.kind !== "update.received" && event.kind !== "update.late") continue;
		const counts = bySite.get(event.site) ?? { signed: 0, unsigned: 0, broken: 0 };
		bySite.set(event.site, counts);
		const key = keys.get(event.site);
		if (event.signed === null) counts.unsigned++;
		else if (key !== undefined && isSignedReply(event.signed, key)) counts.signed++;
		else counts.broken++;
	}
	return [...bySite]
		.sort(([a], [b]) => (a < b ? -1 : 1))
		.map(([site, { signed, unsigned, broken }]) => {
			const subject = `signatures of ${site}`;
			if (broken > 0) return check(subject, false, `${broken} do not hold under the key that the log names`);
			if (unsigned > 0) return { subject, state: "absent", detail: `${unsigned} updates are not signed` };
			return check(subject, true, `${signed} updates signed by its key`);
		});
}

/** Objects of the federation's store: their name is the hash of their content. */
async function checkStored(
	paths: RunPaths,
	events: readonly RoundEvent[],
	weights: readonly string[],
): Promise<Check[]> {
	const objects = join(paths.federation, "server", "objects");
	const updates = events.filter((event) => event.kind === "update.received");
	const named: [string, string][] = [
		...weights.map((sha256, round): [string, string] => [`weights of round ${round}`, sha256]),
		...updates.map(({ site, round, sha256 }): [string, string] => [
			`update of ${site}, round ${round}`,
			sha256,
		]),
	];
	const checks: Check[] = [];
	let numGone = 0;
	for (const [subject, sha256] of named) {
		const path = join(objects, sha256);
		if (!existsSync(path)) numGone++;
		else
			checks.push(
				check(subject, (await sha256File(path)) === sha256, `in the store as ${sha256.slice(0, 12)}`),
			);
	}
	if (numGone > 0)
		checks.push({
			subject: "store",
			state: "absent",
			detail: `${numGone} objects of past rounds are not kept`,
		});
	return checks;
}

async function checkCheckpoints(
	paths: RunPaths,
	initialSha256: string,
	weights: readonly string[],
	open: OpenOptions,
): Promise<Check[]> {
	const checks: Check[] = [];
	let frozen: string | null = null;
	for (const [round, expected] of weights.entries()) {
		const directory = paths.globalCheckpoint(round);
		const subject = `checkpoint of round ${round}`;
		if (!existsSync(directory)) {
			checks.push({ subject, state: "absent", detail: "not kept" });
			continue;
		}
		const file = await sha256File(weightsPath(directory));
		if (round === 0) checks.push(check("start", file === initialSha256, `SHA-256 ${file.slice(0, 12)}`));
		using opened = await openCheckpoint(directory, open);
		const found = trainedHash(opened);
		checks.push(
			check(
				subject,
				found === expected,
				`trained tensors ${found.slice(0, 12)}, log ${expected.slice(0, 12)}`,
			),
		);
		const rest = frozenHash(opened);
		frozen ??= rest;
		if (rest !== frozen) checks.push(check(subject, false, "its frozen tensors are not those of the start"));
		for (const { site, path } of boundCheckpoints(directory)) {
			const same = (await sha256File(weightsPath(path))) === file;
			checks.push(
				check(`checkpoint of round ${round} for ${site}`, same, "the same weights as the global one"),
			);
		}
	}
	return checks;
}

async function checkOrigin(directory: string, weights: readonly string[], open: OpenOptions): Promise<Check> {
	using opened = await openCheckpoint(directory, open);
	const found = trainedHash(opened);
	const round = weights.lastIndexOf(found);
	const subject = directory;
	if (round >= 0) return check(subject, true, `it holds the weights of round ${round}`);
	return check(subject, false, `its weights (${found.slice(0, 12)}) are of no round of this run`);
}

/** Names the trained tensors as the log does. */
function trainedHash({ model }: Checkpoint): string {
	return hashTensors(new Map(trainedNames(model).map((name) => [name, model.tensors.readFloat32(name)])));
}
