// A recorded run, from its first event or from where its log ends, with its checkpoints and the files that people read kept
// up to date after every round. How its sites are reached is the caller's.
import { join } from "node:path";
import { sha256File, writeSafetensorsFile } from "@zk0/arrays/node";
import { type EventLog, openEventLog, type RoundEvent, type RoundsOptions, replayRun } from "@zk0/federation";
import { type Checkpoint, type PolicyModel, trainedNames, weightsPath } from "@zk0/policy";
import type { RunPaths, RunRecord, RunSummary } from "@zk0/records";
import { writeRunFiles } from "@zk0/records/report";
import { CliError } from "../cli-error.ts";
import type { RunConfig } from "../config/presets.ts";
import type { RunReporter } from "../progress/reporter.ts";
import { type RecordedRounds, roundsOf } from "./federation-options.ts";
import type { OpenedSite } from "./open-sites.ts";
import { writePreviews } from "./previews.ts";
import { type RoundCheckpoints, roundCheckpoints } from "./round-checkpoints.ts";

/** A run that is ready to go. */
export interface Federation {
	readonly paths: RunPaths;
	readonly record: RunRecord;
	readonly config: RunConfig;
	/** The initial model. */
	readonly base: Checkpoint;
	/** Sites whose data are here: they get checkpoints that are bound to them, and previews. @default none */
	readonly sites?: readonly OpenedSite[];
	readonly reporter: RunReporter;
	readonly signal: AbortSignal;
}

/** The rounds of a run that is ready to go; who does them adds what it takes to reach the sites. */
export type ReadyRounds = RecordedRounds & Required<Pick<RoundsOptions, "log" | "signal">>;

/** How it ended. */
export interface FederationEnd {
	readonly summary: RunSummary;
	/** SHA-256 of the last round's global weights: model.safetensors, or an adapter's tensors. */
	readonly modelSha256: string;
}

/**
 * Runs to the end what `start` yields.
 * @throws CliError "interrupted" when the signal stopped it, "run-failed" when it cannot go on; FederationError
 */
export async function federate(
	federation: Federation,
	start: (rounds: ReadyRounds) => AsyncGenerator<RoundEvent, void>,
): Promise<FederationEnd> {
	const { paths, base, config, reporter, sites = [], signal } = federation;
	await writeInitialWeights(paths.initialWeights, base.model);
	await using log = await openEventLog(paths.events);
	const checkpoints = roundCheckpoints({
		paths,
		base,
		sites: sites.map(({ site }) => site),
		numKept: config.keepCheckpoints,
	});
	await repairCheckpoints(checkpoints, log, federation);
	for await (const event of start({ ...roundsOf(config, federation), log, signal })) {
		reporter.event(event);
		if (event.kind === "round.aggregated") {
			await checkpoints.write(event.round, roundWeights(paths, event.weightsSha256));
			await checkpoints.prune(event.round);
		}
		if (event.kind === "round.evaluated") await refreshFiles(federation, log.events);
	}
	return await finish(federation, log.events, signal);
}

async function finish(
	federation: Federation,
	events: readonly RoundEvent[],
	signal: AbortSignal,
): Promise<FederationEnd> {
	const { paths, record, sites = [], config } = federation;
	const last = replayRun(events).round;
	const completed = events.at(-1)?.kind === "run.completed";
	if (completed && sites.length > 0) {
		const { threads, device } = record.machine;
		const opened = sites.map(({ site }) => site);
		await writePreviews({ paths, round: last, sites: opened, seed: config.seed, threads, device, signal });
	}
	const end = await refreshFiles(federation, events);
	if (completed) return end;
	const kept = last === 0 ? "nothing is trained yet" : `rounds 1 to ${last} are kept in ${paths.root}`;
	const cure = `continue with: zk0 runs resume ${paths.id}`;
	const failed = events.findLast((event) => event.kind === "run.failed");
	if (signal.aborted) throw new CliError("interrupted", `stopped; ${kept}`, { cure, cause: signal.reason });
	throw new CliError("run-failed", `${failed?.message ?? "the run ended early"}; ${kept}`, { cure });
}

/** The trained tensors, as the federation starts from them; the same bytes whenever they are written. */
export async function writeInitialWeights(path: string, model: PolicyModel): Promise<void> {
	const trained = trainedNames(model).map((name) => [name, model.tensors.readFloat32(name)] as const);
	await writeSafetensorsFile(path, new Map(trained));
}

/** Where the federation's object store keeps the weights of a round. */
function roundWeights(paths: RunPaths, sha256: string): string {
	return join(paths.federation, "server", "objects", sha256);
}

/** After a kill the log may be ahead of the checkpoints: makes those that are missing and should be kept. */
async function repairCheckpoints(
	checkpoints: RoundCheckpoints,
	log: EventLog,
	{ paths, config }: Federation,
): Promise<void> {
	const { weightsHistory, round: last } = replayRun(log.events);
	const firstKept = config.keepCheckpoints === null ? 0 : last - config.keepCheckpoints + 1;
	await checkpoints.write(0, null);
	for (const [round, sha256] of weightsHistory.entries()) {
		if (round > 0 && round >= firstKept) await checkpoints.write(round, roundWeights(paths, sha256));
	}
}

async function refreshFiles(
	{ paths, record }: Federation,
	events: readonly RoundEvent[],
): Promise<FederationEnd> {
	const modelSha256 = await sha256File(weightsPath(paths.globalCheckpoint(replayRun(events).round)));
	return { summary: await writeRunFiles({ paths, record, events, modelSha256 }), modelSha256 };
}
