// `zk0 run --superlink`: zk0's rounds and strategies as the ServerApp process of a run at a real Flower SuperLink, in this
// process; the run's folder is as that of a simulation.
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
	FederationError,
	openObjectStore,
	openSuperLinkGrid,
	rounds,
	type SuperLinkRun,
	systemClock,
	takeSuperLinkRun,
} from "@zk0/federation";
import { grpcTransport, isLoopback, makeHeapRoom } from "@zk0/flower/node";
import { openCheckpoint } from "@zk0/policy";
import { type RunPaths, readRunRecord, runPaths, withRunLock, writeRunRecord } from "@zk0/records";
import { CliError } from "../cli-error.ts";
import { parseConfig } from "../config/config-file.ts";
import { resolveConfig } from "../config/resolve.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import { createReporter } from "../progress/reporter.ts";
import { federate } from "../simulation/federate.ts";
import { newRunId, recordedConfig, recordOf } from "../simulation/recorded-run.ts";
import { writeStartCheckpoint } from "../simulation/start-model.ts";
import { tracedRun } from "../simulation/traced-run.ts";
import { parseAddress } from "./host-port.ts";
import { openTraces } from "./open-traces.ts";
import { setupOf } from "./run-setup.ts";

/** What is asked for. */
export interface SuperLinkRunRequest {
	/** `<host>:<port>` of the SuperLink's ServerAppIo API. */
	readonly superlink: string;
	/** A run to go on with, or undefined: a new one with `settings`. */
	readonly resume: string | undefined;
	/** By the names of zk0.json. */
	readonly settings: unknown;
}

/** How the run ended. */
export interface SuperLinkRunEnd {
	readonly runId: string;
	readonly state: "completed";
	readonly modelSha256: string;
	readonly folder: string;
}

/** Takes a run that waits at the SuperLink and does its rounds. @throws CliError; FederationError */
export async function runAtSuperLink(
	{ superlink, resume, settings }: SuperLinkRunRequest,
	{ host, output }: { readonly host: Host; readonly output: Output },
): Promise<SuperLinkRunEnd> {
	const address = parseAddress(superlink);
	if (!isLoopback(address.host))
		throw new CliError(
			"bad-flag",
			`${address.host} could be read by others: Flower's ServerAppIo API has no TLS`,
			{
				cure: "run this on the SuperLink's machine, or through a tunnel (ssh -L 9091:127.0.0.1:9091)",
			},
		);
	const paths = await (resume === undefined
		? newRun(settings, { host, output })
		: Promise.resolve(runPaths(resolve(host.cwd, "runs"), resume)));
	const record = await readRunRecord(paths.config);
	const config = recordedConfig(record, paths);
	const clock = systemClock();
	const { signal } = host;
	makeHeapRoom();
	return await withRunLock(paths.lock, async () => {
		using base = await openCheckpoint(paths.globalCheckpoint(0), { hub: host });
		const store = await openObjectStore(join(paths.federation, "server"));
		await using transport = grpcTransport({ ...address, security: "plaintext" });
		let isTold = false;
		const onWaiting = (): void => {
			if (!isTold) output.line(`waiting for a run at ${superlink}: flwr run <app>`);
			isTold = true;
		};
		await using run = await takeSuperLinkRun({ transport, clock, signal, onWaiting });
		output.line(`${paths.id} is run ${run.runId} (${run.app}) of the SuperLink at ${superlink}`);
		try {
			await using grid = await openSuperLinkGrid({ run, store, clock });
			using reporter = createReporter({ stream: output.people, host, sites: [], rounds: config.rounds });
			// A SuperLink offers no files: zk0 sites make the start themselves, or have it from an earlier run.
			const learning = setupOf(config, record, record.initial.modelSha256);
			await using traces = await openTraces("zk0-server", host, (message) =>
				output.line(`warning: ${message}`),
			);
			const traced = tracedRun(paths.id, traces, reporter);
			const about = { paths, record, config, base, reporter: traced.reporter, signal };
			const { modelSha256 } = await federate(about, (ready) =>
				rounds({
					...ready,
					...traced.begin(ready.log.events),
					learning,
					// Flower's nodes cannot read bfloat16.
					updateDtype: "float32",
					grid,
					store,
					clock,
					// A SuperLink hands a message out once: what an offline node had is lost.
					offlineSites: "fail",
				}),
			);
			await run.finish("completed", "");
			return { runId: paths.id, state: "completed", modelSha256, folder: paths.root };
		} catch (error) {
			await giveUp(run, error);
			throw error;
		}
	});
}

/** Tells the SuperLink why the run is over, unless it was the SuperLink that ended it. */
async function giveUp(run: SuperLinkRun, error: unknown): Promise<void> {
	try {
		await run.finish("failed", error instanceof Error ? error.message : String(error));
	} catch (failure) {
		if (!(failure instanceof FederationError && failure.code === "closed")) throw failure;
	}
}

async function newRun(
	settings: unknown,
	{ host, output }: { readonly host: Host; readonly output: Output },
): Promise<RunPaths> {
	const config = resolveConfig(parseConfig(settings, "the run's settings"), {});
	if (config.config.updateDtype !== "float32")
		throw new CliError("bad-config", "Flower's nodes cannot read bfloat16", {
			cure: "leave --update-dtype out of a run with --superlink",
		});
	const paths = runPaths(resolve(host.cwd, config.config.out), newRunId(host));
	await mkdir(paths.root, { recursive: true });
	await writeStartCheckpoint(paths.globalCheckpoint(0), config.config, host);
	using base = await openCheckpoint(paths.globalCheckpoint(0), { hub: host });
	using reporter = createReporter({ stream: output.people, host, sites: [], rounds: config.config.rounds });
	await writeRunRecord(paths.config, await recordOf(config, { paths, base, opened: [], host, reporter }));
	return paths;
}
