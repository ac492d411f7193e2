import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { encodeSafetensors } from "@zk0/arrays";
import {
	createNodeIdentity,
	memoryTransport,
	type NodeIdentity,
	type Routes,
	type Transport,
} from "@zk0/flower";
import { describe, expect, test } from "vitest";
import { runClient } from "./client.ts";
import type { ClientApp } from "./client-app.ts";
import { systemClock } from "./clock.ts";
import type { Outcome } from "./grid.ts";
import { openMembers } from "./members.ts";
import { type ObjectStore, openObjectStore } from "./object-store.ts";
import type { TaskMessage } from "./protocol.ts";
import type { RunGrid } from "./run-grid.ts";
import { createServer, type FederationServer } from "./server.ts";
import { type FaultPlan, faultyTransport } from "./testing/faulty-transport.ts";
import { joinAs } from "./testing/test-node.ts";
import { type ToyOptions, temporaryDir, toyApp, toyWeights } from "./testing/toy-app.ts";
import { hurriedClock } from "./testing/toy-run.ts";
import type { TensorSpecs } from "./update-check.ts";

/** A promise that a test resolves. */
function gate(): { readonly isOpen: Promise<void>; readonly open: () => void } {
	let open = (): void => undefined;
	const isOpen = new Promise<void>((resolve) => {
		open = resolve;
	});
	return { isOpen, open: () => open() };
}

interface Harness extends AsyncDisposable {
	readonly dir: string;
	readonly store: ObjectStore;
	readonly server: FederationServer;
	readonly grid: RunGrid;
	readonly identity: NodeIdentity;
	readonly outcomes: Outcome[];
	readonly stop: AbortController;
	readonly transport: Transport;
	/** Ends when the client's loop does. */
	readonly client: Promise<void>;
	send(phase?: "train" | "evaluate", round?: number): TaskMessage;
	/** Waits for an outcome of this kind. */
	until<K extends Outcome["kind"]>(kind: K): Promise<Extract<Outcome, { kind: K }>>;
	/** Replaces the server by a new one, as after a restart. */
	restart(): Promise<void>;
}

/** When the tasks were made, for ever: a task that is sent again is the same message. */
const START_MS = Date.UTC(2026, 0, 1);

const SPECS: TensorSpecs = new Map([
	["w", { dtype: "float32", shape: [3] }],
	["b", { dtype: "float32", shape: [1] }],
]);

async function start(
	options: { app?: ClientApp; toy?: ToyOptions; faults?: FaultPlan } = {},
): Promise<Harness> {
	const dir = await temporaryDir();
	const clock = hurriedClock();
	const store = await openObjectStore(join(dir.path, "server"));
	const weights = await store.put([encodeSafetensors(toyWeights())]);
	const outcomes: Outcome[] = [];
	const waiting = new Set<() => void>();
	const listen = (): { server: FederationServer; grid: RunGrid } => {
		const onFault = (cause: unknown): void => {
			throw cause;
		};
		const server = createServer({ members, clock, onFault });
		const grid = server.openGrid(store);
		void (async () => {
			for (;;) {
				const next = await grid.next();
				outcomes.push(next.outcome);
				next.settle();
				for (const wake of waiting) wake();
			}
		})().catch((error: unknown) => error);
		return { server, grid };
	};
	const members = openMembers();
	let { server, grid } = listen();
	/** Those of whichever server runs now. */
	const routes: Routes = new Map(
		[...server.routes.keys()].map((path) => [
			path,
			{
				open: (info) => {
					const route = server.routes.get(path);
					if (route === undefined) throw new RangeError(path);
					return route.open(info);
				},
			},
		]),
	);
	const { faults = () => null } = options;
	const transport = faultyTransport(memoryTransport(routes), faults);
	const identity = createNodeIdentity("prime256v1");
	const stop = new AbortController();
	const app = options.app ?? toyApp("ann", options.toy);
	const clientDir = join(dir.path, "client");
	const client = runClient({
		transport,
		identity,
		app,
		site: "ann",
		dir: clientDir,
		clock,
		signal: stop.signal,
		progressMs: 10,
	});
	return {
		dir: dir.path,
		store,
		outcomes,
		stop,
		transport,
		client,
		identity,
		get server() {
			return server;
		},
		get grid() {
			return grid;
		},
		send(phase = "train", round = 1) {
			const message: TaskMessage = {
				taskId: `${round}/${phase}`,
				phase,
				runId: "run",
				round,
				seed: 0,
				numLocalSteps: 5,
				globalStep: 0,
				totalSteps: 5,
				proximalMu: 0,
				clipNorm: null,
				learning: null,
				weights: weights.sha256,
				createdAtMs: START_MS,
			};
			grid.send([{ site: "ann", message, expects: phase === "train" ? SPECS : null }]);
			return message;
		},
		async until<K extends Outcome["kind"]>(kind: K): Promise<Extract<Outcome, { kind: K }>> {
			for (;;) {
				const index = outcomes.findIndex((outcome) => outcome.kind === kind);
				const [found] = index < 0 ? [] : outcomes.splice(index, 1);
				if (found !== undefined) return found as Extract<Outcome, { kind: K }>; // found by that kind
				await new Promise<void>((resolve) => {
					const wake = (): void => {
						waiting.delete(wake);
						resolve();
					};
					waiting.add(wake);
				});
			}
		},
		async restart() {
			await server[Symbol.asyncDispose]();
			({ server, grid } = listen());
		},
		async [Symbol.asyncDispose]() {
			stop.abort();
			await client.catch((error: unknown) => error);
			await transport[Symbol.asyncDispose]();
			await server[Symbol.asyncDispose]();
			await dir[Symbol.asyncDispose]();
		},
	};
}

describe("runClient", () => {
	test("joins, trains, evaluates with the weights it holds, leaves, and leaves no files but the weights", async () => {
		let numPulls = 0;
		const faults = (method: string): null => {
			if (method === "PullObject") numPulls++;
			return null;
		};
		await using harness = await start({ faults });
		const joined = await harness.until("joined");
		expect(joined).toMatchObject({ site: "ann", info: { details: { robot: "toy" } } });
		harness.send();
		const update = await harness.until("update");
		expect(update.numSamples).toBe(joined.info.numSamples);
		expect(await harness.store.verify(update.sha256)).toBe(true);
		harness.send("evaluate");
		const evaluation = await harness.until("evaluation");
		expect(evaluation.loss).toBeGreaterThan(0);
		expect(evaluation.metrics).toMatchObject({ missing: null });
		// Small objects, here all of them, come with the call that announces them.
		expect(numPulls).toBe(0);
		harness.stop.abort();
		await harness.client;
		expect(await harness.until("left")).toMatchObject({ reason: "left" });
		expect(await readdir(join(harness.dir, "client"))).toEqual(["weights"]);
	});

	test("reports progress, and its app's failure as a result, then serves the next task", async () => {
		let isFirst = true;
		await using harness = await start({
			toy: {
				before: async () => {
					if (!isFirst) return;
					isFirst = false;
					throw new RangeError("no such camera");
				},
			},
		});
		harness.send("train", 1);
		expect(await harness.until("failure")).toMatchObject({ message: "RangeError: no such camera" });
		harness.send("train", 2);
		await harness.until("update");
	});

	test("thins out progress reports but sends one", async () => {
		const finish = gate();
		const slow: ClientApp = {
			...toyApp("ann"),
			evaluate: async (_task, { onProgress }) => {
				for (let step = 1; step <= 500; step++)
					onProgress({ step, numSteps: 500, loss: 1, samplesPerSecond: 2 });
				await finish.isOpen;
				return { loss: 1, numSamples: 1, metrics: {} };
			},
		};
		await using harness = await start({ app: slow });
		harness.send("evaluate");
		const { progress } = await harness.until("progress");
		expect(progress).toEqual({ step: 500, numSteps: 500, loss: 1, samplesPerSecond: 2 });
		finish.open();
		await harness.until("evaluation");
	});

	test("a loss that is not a number is a failure, no samples is a rejection by the server", async () => {
		const broken: ClientApp = {
			...toyApp("ann", { numSamples: 0 }),
			evaluate: () => Promise.resolve({ loss: Number.NaN, numSamples: 1, metrics: {} }),
		};
		await using harness = await start({ app: broken });
		harness.send("evaluate");
		expect(await harness.until("failure")).toMatchObject({ message: "evaluation gave a loss of NaN" });
		harness.send("train", 2);
		expect(await harness.until("rejected")).toMatchObject({ code: "zero-samples" });
	});

	test("a result that is more than the server takes is its task's failure, and the next task is served", async () => {
		const longMetrics = Object.fromEntries(
			Array.from({ length: 60 }, (_, index) => [`${index}`.repeat(20_000), 0]),
		);
		const app: ClientApp = {
			...toyApp("ann"),
			evaluate: async (_, { signal }) => ({
				loss: 1,
				numSamples: 5,
				metrics: signal.aborted ? {} : longMetrics,
			}),
		};
		await using harness = await start({ app });
		await harness.until("joined");
		harness.send("evaluate");
		expect((await harness.until("failure")).message).toMatch(/does not take the result: .*bytes asked for/);
		harness.send("train");
		expect((await harness.until("update")).numSamples).toBeGreaterThan(0);
	});

	test("stops a task the server withdraws and takes the next one", async () => {
		let numCancelled = 0;
		const started = gate();
		await using harness = await start({
			toy: {
				before: async (phase, _task, signal) => {
					if (phase === "evaluate") return;
					started.open();
					await new Promise<void>((_resolve, reject) => {
						signal.addEventListener("abort", () => {
							numCancelled++;
							reject(new RangeError("stopped half way"));
						});
					});
				},
			},
		});
		const { taskId } = harness.send();
		await started.isOpen;
		harness.grid.withdraw([taskId]);
		harness.send("evaluate");
		await harness.until("evaluation");
		expect(numCancelled).toBe(1);
		expect(harness.outcomes.filter(({ kind }) => kind === "failure")).toEqual([]);
	});

	test("stopping it cancels the running task and ends without an error", async () => {
		const started = gate();
		await using harness = await start({
			toy: {
				before: (_phase, _task, signal) =>
					new Promise((_resolve, reject) => {
						started.open();
						signal.addEventListener("abort", () => reject(new RangeError("stopped")));
					}),
			},
		});
		harness.send();
		await started.isOpen;
		harness.stop.abort();
		await expect(harness.client).resolves.toBeUndefined();
	});

	test.each(["drop-request", "drop-response", "duplicate"] as const)(
		"gets through when every other call suffers %s",
		async (kind) => {
			await using harness = await start({ faults: (_method, index) => (index % 2 === 0 ? { kind } : null) });
			harness.send();
			const { sha256 } = await harness.until("update");
			harness.send("evaluate", 2);
			await harness.until("evaluation");
			await using calm = await start();
			calm.send();
			expect((await calm.until("update")).sha256).toBe(sha256);
		},
	);

	test("joins again and delivers when the server was restarted in the middle", async () => {
		const started = gate();
		const mayGoOn = gate();
		await using harness = await start({
			toy: {
				before: async () => {
					started.open();
					await mayGoOn.isOpen;
				},
			},
		});
		harness.send();
		await started.isOpen;
		await harness.restart();
		harness.send();
		mayGoOn.open();
		await harness.until("update");
		expect(harness.outcomes.filter(({ kind }) => kind === "joined").length).toBeGreaterThan(1);
	});

	test("gives up with `unavailable` when the server stays away, and refuses a bad name", async () => {
		await using harness = await start({ faults: () => ({ kind: "drop-request" }) });
		await expect(harness.client).rejects.toMatchObject({ code: "unavailable" });
		const options = {
			transport: harness.transport,
			identity: harness.identity,
			app: toyApp("x"),
			dir: harness.dir,
			clock: systemClock(),
		};
		const signal = AbortSignal.abort();
		await expect(runClient({ ...options, site: "../x", signal })).rejects.toThrow(RangeError);
	});

	test("stops when another client runs with its key", async () => {
		await using harness = await start();
		await harness.until("joined");
		const { identity, dir } = harness;
		const clock = systemClock();
		await joinAs({ routes: harness.server.routes, site: "ann", identity, dir, clock });
		await expect(harness.client).rejects.toMatchObject({ code: "site-name-taken" });
	});
});
