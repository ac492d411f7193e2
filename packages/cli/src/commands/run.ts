// `zk0 run`: hands a run to the server of this machine and watches it.
import { join, resolve } from "node:path";
import { type ServerStatus, serverStatusSchema } from "@zk0/dashboard/status";
import { z } from "zod";
import { flagOf } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { CONFIG_OPTION } from "../config/config-option.ts";
import { type Given, pickRunOptions } from "../config/resolve.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import type { Host } from "../host.ts";
import { callAdmin } from "../network/admin-client.ts";
import { makePrivateFolder, type ServerHome, STATE_OPTION, serverHome } from "../network/home.ts";
import type { Output } from "../output.ts";

/** The settings of a run that are the federation's, and not those of a site or of a simulation. */
const SETTINGS = {
	preset: RUN_OPTIONS.preset,
	init: RUN_OPTIONS.init,
	loraRank: RUN_OPTIONS.loraRank,
	loraAlpha: RUN_OPTIONS.loraAlpha,
	loraFreezeA: RUN_OPTIONS.loraFreezeA,
	rounds: RUN_OPTIONS.rounds,
	localSteps: RUN_OPTIONS.localSteps,
	batchSize: RUN_OPTIONS.batchSize,
	learningRate: RUN_OPTIONS.learningRate,
	warmupSteps: RUN_OPTIONS.warmupSteps,
	strategy: RUN_OPTIONS.strategy,
	proximalMu: RUN_OPTIONS.proximalMu,
	siteFraction: RUN_OPTIONS.siteFraction,
	keepOptimizerState: RUN_OPTIONS.keepOptimizerState,
	heldOut: RUN_OPTIONS.heldOut,
	evalFrames: RUN_OPTIONS.evalFrames,
	sampledFrames: RUN_OPTIONS.sampledFrames,
	evalLocal: RUN_OPTIONS.evalLocal,
	keepCheckpoints: RUN_OPTIONS.keepCheckpoints,
	updateDtype: RUN_OPTIONS.updateDtype,
	seed: RUN_OPTIONS.seed,
	minSites: {
		...RUN_OPTIONS.minSites,
		summary: "clients that must be online before the run starts, and updates that a round needs",
	},
	quorum: RUN_OPTIONS.quorum,
	roundDeadline: RUN_OPTIONS.roundDeadline,
	stallAfter: RUN_OPTIONS.stallAfter,
	clipNorm: RUN_OPTIONS.clipNorm,
};

const POLL_MS = 500;

/** The command. */
export const run = defineCommand({
	options: {
		config: {
			...CONFIG_OPTION,
			summary: "JSON file with any of the settings below; `zk0 help configuration`",
		},
		...SETTINGS,
		fab: {
			kind: "text",
			schema: z.string().min(1),
			value: "<file|dir>",
			summary:
				"app that Flower's own nodes run: a bundle (`flwr build`) or the app's folder; without it they take no part",
		},
		superlink: {
			kind: "text",
			schema: z.string().min(1),
			value: "<host>:<port>",
			summary:
				"do the rounds here, as the ServerApp of a run that waits at a real Flower SuperLink (its ServerAppIo API)",
		},
		resume: {
			kind: "text",
			schema: z.string().min(1),
			value: "<run>",
			summary:
				"go on with a run of the server that was stopped or has failed; with --superlink: with one of ./runs, as a new run there",
		},
		state: STATE_OPTION,
		stream: {
			kind: "switch",
			schema: z.boolean(),
			summary: "show everything that happens in the run, line by line",
		},
		detach: { kind: "switch", schema: z.boolean(), summary: "do not wait for the run's end" },
	},
	examples: ["zk0 run --rounds 10 --strategy fedprox --min-sites 3", "zk0 run --min-sites 2 --fab apps/mine"],
	async run({ values, flags, host, output }) {
		const home = serverHome(host, values.state);
		if (values.resume !== undefined) requireNothingElse(flags);
		const file =
			values.config === undefined ? {} : await fileSettings(resolve(host.cwd, values.config), host);
		const settings = { ...file, ...pickRunOptions(values) };
		const { superlink, resume } = values;
		if (superlink !== undefined) {
			const { runAtSuperLink } = await import("../network/superlink-run.ts");
			const request = { superlink, resume, settings: { ...settings, sites: settings.minSites ?? 1 } };
			const end = await runAtSuperLink(request, { host, output });
			output.result(end, () => `${end.runId} is completed, SHA-256 ${end.modelSha256}, in ${end.folder}`);
			return;
		}
		const runId =
			resume === undefined ? await submit(home, settings, values.fab, host) : await goOn(home, resume, host);
		if (values.detach === true) {
			output.result({ runId }, () => `${runId} is queued; see \`zk0 status\``);
			return;
		}
		try {
			await watch(home, runId, { isStreamed: values.stream === true, host, output });
		} catch (error) {
			if (!host.signal.aborted) throw error;
			throw new CliError("interrupted", `${runId} goes on at the server, without being watched`, {
				cure: `see \`zk0 status\`; stop it with: zk0 runs stop ${runId}`,
				cause: error,
			});
		}
	},
});

/** Refuses what would have no effect on a run that goes on. @throws CliError "bad-flag" */
function requireNothingElse(flags: Readonly<Record<string, unknown>>): void {
	const [other] = Object.keys(flags).filter(
		(key) => Object.hasOwn(SETTINGS, key) || key === "config" || key === "fab",
	);
	if (other === undefined) return;
	throw new CliError("bad-flag", `${flagOf(other)} has no meaning with --resume: a run goes on as it began`, {
		cure: "leave it out, or start another run without --resume",
	});
}

/** Shows a run of the server until it is completed. @throws CliError "run-failed" when it ends otherwise */
async function watch(
	home: ServerHome,
	runId: string,
	{
		isStreamed,
		host,
		output,
	}: { readonly isStreamed: boolean; readonly host: Host; readonly output: Output },
): Promise<void> {
	let shown = "";
	let numStreamed = 0;
	for (;;) {
		if (isStreamed) numStreamed = await streamEvents({ dir: home.runs, runId, numSeen: numStreamed }, output);
		const request = { method: "GET", path: "/status" } as const;
		const status = await callAdmin(home, request, serverStatusSchema, host.signal);
		const found = status.runs.find((one) => one.runId === runId);
		if (found === undefined) throw new CliError("run-not-found", `the server has no run ${runId} any more`);
		const line = describe(found);
		if (line !== shown) output.line(line);
		shown = line;
		if (found.state === "completed") {
			output.result(found, () => `${runId} is completed, SHA-256 ${found.modelSha256 ?? "unknown"}`);
			return;
		}
		if (found.state === "failed" || found.state === "stopped")
			throw new CliError("run-failed", `${runId}: ${found.message ?? found.state}`);
		await new Promise((resolve) => {
			setTimeout(resolve, POLL_MS);
		});
	}
}

/** The settings of a file, all of them the federation's. @throws CliError "bad-config" for one of a site or a simulation */
async function fileSettings(path: string, { signal }: Host): Promise<Given> {
	const { readConfigFile } = await import("../config/config-file.ts");
	const given = await readConfigFile(path, { signal });
	const other = Object.keys(given).filter((key) => !Object.hasOwn(SETTINGS, key));
	if (other.length === 0) return given;
	throw new CliError("bad-config", `${path}: ${other.join(", ")}: not for the federation to set`, {
		cure: "leave it out: sites choose it themselves when they join, or it is for `zk0 simulate` only",
	});
}

/** Shows the events of a run under `dir` from number `numSeen`. @returns how many there are */
async function streamEvents(
	{ dir, runId, numSeen }: { readonly dir: string; readonly runId: string; readonly numSeen: number },
	output: Output,
): Promise<number> {
	const { eventText, readEvents, runPaths } = await import("@zk0/records");
	const { events } = await readEvents(runPaths(dir, runId).events);
	for (const event of events.slice(numSeen)) output.line(`${event.at.slice(11, 19)}  ${eventText(event)}`);
	return events.length;
}

/** Hands in a new run, with an app for Flower's nodes. @returns its id */
async function submit(
	home: ServerHome,
	settings: Given,
	fab: string | undefined,
	host: Host,
): Promise<string> {
	const app = fab === undefined ? {} : { app: await depositApp(home, resolve(host.cwd, fab)) };
	// The number of sites is not known here; the settings are complete with the fewest that will do.
	const body = { ...settings, sites: settings.minSites ?? 1, ...app };
	const schema = z.object({ runId: z.string() });
	return (await callAdmin(home, { method: "POST", path: "/runs", body }, schema, host.signal)).runId;
}

/** Goes on with the run of the server that `word` names. @returns its id */
async function goOn(home: ServerHome, word: string, host: Host): Promise<string> {
	const { findRun } = await import("../arguments/find-run.ts");
	const { id: runId } = await findRun(home.runs, word);
	const request = { method: "POST", path: "/runs/continue", body: { runId } } as const;
	await callAdmin(home, request, z.object({}), host.signal);
	return runId;
}

/** Puts an app's bundle where the server finds it. @returns its hash @throws FlowerError when nodes would refuse it */
async function depositApp({ apps }: ServerHome, path: string): Promise<string> {
	const { loadAppBundle } = await import("@zk0/flower/node");
	const { writeFileAtomic } = await import("@zk0/arrays/node");
	const { hash, content } = await loadAppBundle(path);
	await makePrivateFolder(apps);
	await writeFileAtomic(join(apps, `${hash}.fab`), content);
	return hash;
}

function describe({ runId, state, round, rounds, message }: ServerStatus["runs"][number]): string {
	return `${runId} ${state}, round ${round} of ${rounds}${message === null ? "" : `: ${message}`}`;
}
