// Faults of the real program: `zk0 server`, `zk0 client` and `zk0 run` in the background, training a small policy on recordings.
// One federation serves all points, each with a run of its own that must end with the model of `zk0 simulate`.
import { statfsSync, writeFileSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
	COMMAND_SITES,
	type CommandRun,
	type CommandStage,
	openCommandStage,
	SMALL_SITE,
} from "./command-stage.ts";
import type { FaultResult, Measured } from "./point.ts";
import { BALLAST } from "./small-disk.ts";

/** A fault of the program. */
export interface CommandPoint {
	readonly group: string;
	readonly what: string;
	readonly kind: "transient";
	readonly needsDisk?: boolean;
	/** Makes the fault in a run that has begun, or is about to, and mends it. */
	readonly make: (stage: CommandStage, begin: () => Promise<CommandRun>) => Promise<Measured>;
}

/** Starts the server again and waits for the sites. */
async function restart(stage: CommandStage, note?: string): Promise<Measured> {
	const startMs = performance.now();
	await stage.startServer();
	await stage.allOnline();
	return { recoveryMs: performance.now() - startMs, ...(note === undefined ? {} : { note }) };
}

/** Waits until the server writes a checkpoint of a round, and says what is there of it. */
async function checkpointBegun(dir: string): Promise<string> {
	for (;;) {
		const names = await readdir(join(dir, "checkpoints")).catch(() => []);
		const fresh = names.find((name) => !name.startsWith("round_0"));
		if (fresh !== undefined) {
			const files = await readdir(join(dir, "checkpoints", fresh), { recursive: true }).catch(() => []);
			return `${fresh}: ${files.length} files were there`;
		}
		await sleep(1);
	}
}

/** Faults of the program. */
export const COMMAND_POINTS: readonly CommandPoint[] = [
	{
		group: "zk0 server killed",
		what: "in a round, after the first update; zk0 server start",
		kind: "transient",
		make: async (stage, begin) => {
			const run = await begin();
			await run.recorded("the first update", ({ kind }) => kind === "update.received");
			await stage.kill("server");
			return await restart(stage);
		},
	},
	{
		group: "zk0 server killed",
		what: "while it writes the checkpoint of a round",
		kind: "transient",
		make: async (stage, begin) => {
			const run = await begin();
			const note = await checkpointBegun(run.dir);
			await stage.kill("server");
			return await restart(stage, note);
		},
	},
	{
		group: "zk0 client killed",
		what: "in the training of round 2; zk0 client start",
		kind: "transient",
		make: async (stage, begin) => {
			const run = await begin();
			await run.recorded("round 2", (event) => event.kind === "round.started" && event.round === 2);
			await stage.kill("site-b");
			const startMs = performance.now();
			await stage.startClient("site-b");
			await stage.allOnline();
			return { recoveryMs: performance.now() - startMs };
		},
	},
	{
		group: "zk0 server and clients killed",
		what: "all at once, after the first update (power cut)",
		kind: "transient",
		make: async (stage, begin) => {
			const run = await begin();
			await run.recorded("the first update", ({ kind }) => kind === "update.received");
			await Promise.all(["server", ...COMMAND_SITES].map((name) => stage.kill(name)));
			const startMs = performance.now();
			await stage.startServer();
			await Promise.all(COMMAND_SITES.map((site) => stage.startClient(site)));
			await stage.allOnline();
			return { recoveryMs: performance.now() - startMs };
		},
	},
	{
		group: "disk full",
		what: "at a zk0 client, while it gets a task; space is freed, zk0 client start",
		kind: "transient",
		needsDisk: true,
		make: async (stage, begin) => {
			const ballast = join(stage.dir, SMALL_SITE, BALLAST);
			const { bavail, bsize } = statfsSync(join(stage.dir, SMALL_SITE));
			writeFileSync(ballast, Buffer.alloc(bavail * bsize - (256 << 10)));
			await begin();
			await stage.ended(SMALL_SITE);
			await rm(ballast);
			const startMs = performance.now();
			await stage.startClient(SMALL_SITE);
			await stage.allOnline();
			return { recoveryMs: performance.now() - startMs };
		},
	},
];

/** Tries points one after another on one federation; `onResult` hears of each. */
export async function tryCommands(
	points: readonly CommandPoint[],
	canMount: boolean,
	onResult: (point: CommandPoint, result: FaultResult, seconds: number) => void,
): Promise<void> {
	if (points.length === 0) return;
	await using stage = await openCommandStage(canMount);
	for (const point of points) {
		const startMs = performance.now();
		const result = await tryCommand(stage, point);
		onResult(point, result, (performance.now() - startMs) / 1000);
		// The federation is not what the next point expects.
		if (result.failure !== null) break;
	}
}

async function tryCommand(stage: CommandStage, point: CommandPoint): Promise<FaultResult> {
	let measured: Measured | null = null;
	let isHashEqual = false;
	try {
		let submitted: CommandRun | null = null;
		await stage.allOnline();
		measured = await point.make(stage, async () => {
			submitted = await stage.submit();
			return submitted;
		});
		const run: CommandRun | null = submitted;
		if (run === null) throw new RangeError("the point began no run");
		isHashEqual = (await resultOf(run)) === (await stage.reference);
		if (!isHashEqual) throw new RangeError("the model differs from that of zk0 simulate");
		return { point, failure: null, measured, isHashEqual, numRepeated: 0 };
	} catch (error) {
		const failure = error instanceof Error ? error.message : String(error);
		return { point, failure, measured, isHashEqual, numRepeated: 0 };
	}
}

function resultOf(run: CommandRun): Promise<string | null> {
	return run.result();
}
