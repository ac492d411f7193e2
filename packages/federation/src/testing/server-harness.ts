// A server with one run's grid and nodes that make single calls, for tests.
import { encodeSafetensors } from "@zk0/arrays";
import { expect } from "vitest";
import type { Offence } from "../audit.ts";
import { type ManualClock, manualClock } from "../clock.ts";
import type { Outcome } from "../grid.ts";
import { openMembers } from "../members.ts";
import { type ObjectStore, openObjectStore } from "../object-store.ts";
import type { TaskMessage } from "../protocol.ts";
import type { RunGrid } from "../run-grid.ts";
import { createServer, type FederationServer } from "../server.ts";
import type { ReceivedTask } from "../task-runner.ts";
import type { TensorSpecs } from "../update-check.ts";
import { joinAs, type TestNode } from "./test-node.ts";
import { temporaryDir, toyWeights } from "./toy-app.ts";

/** When the harness's clock starts. */
export const NOW_MS = Date.UTC(2026, 10, 23);
/** The tensors of `toyWeights`. */
export const SPECS: TensorSpecs = new Map([
	["w", { dtype: "float32", shape: [3] }],
	["b", { dtype: "float32", shape: [1] }],
]);

/** A server under a test's hand. */
export interface Harness extends AsyncDisposable {
	readonly server: FederationServer;
	readonly grid: RunGrid;
	readonly clock: ManualClock;
	readonly store: ObjectStore;
	/** Every outcome seen, settled at once. */
	readonly outcomes: Outcome[];
	/** Everybody who was turned away. */
	readonly offences: Offence[];
	join(site: string, identity?: TestNode["identity"]): Promise<TestNode>;
	/** Queues a task and lets the node take it. */
	task(node: TestNode, site: string, round?: number, phase?: "train" | "evaluate"): Promise<ReceivedTask>;
	send(site: string, round?: number, phase?: "train" | "evaluate"): string;
}

/** A server with an open grid whose outcomes are settled at once. */
export async function startServer(signal?: AbortSignal): Promise<Harness> {
	const dir = await temporaryDir();
	const store = await openObjectStore(dir.path);
	const clock = manualClock(NOW_MS);
	const onFault = (cause: unknown): void => {
		throw cause;
	};
	const offences: Offence[] = [];
	const server = createServer({
		members: openMembers(),
		clock,
		offlineAfterMs: 300,
		onOffence: (offence) => offences.push(offence),
		onFault,
		...(signal && { signal }),
	});
	const grid = server.openGrid(store);
	const weights = await store.put([encodeSafetensors(toyWeights())]);
	const outcomes: Outcome[] = [];
	const reading = (async () => {
		for (;;) {
			const next = await grid.next();
			outcomes.push(next.outcome);
			next.settle();
		}
	})().catch((error: unknown) => error);
	const harness: Harness = {
		server,
		grid,
		clock,
		store,
		outcomes,
		offences,
		join: (site, identity) =>
			joinAs({ routes: server.routes, site, clock, dir: dir.path, ...(identity && { identity }) }),
		send(site, round = 1, phase = "train") {
			const message = taskOf(`${round}/${phase}/${site}`, { round, phase, weights: weights.sha256 });
			grid.send([{ site, message, expects: phase === "train" ? SPECS : null }]);
			return message.taskId;
		},
		async task(node, site, round = 1, phase = "train") {
			harness.send(site, round, phase);
			const task = await node.pull();
			if (task === undefined) throw new RangeError("no task");
			return task;
		},
		async [Symbol.asyncDispose]() {
			await grid[Symbol.asyncDispose]();
			await server[Symbol.asyncDispose]();
			expect(await reading).toMatchObject({ code: "closed" });
			expect(clock.numSleepers).toBe(0);
			await dir[Symbol.asyncDispose]();
		},
	};
	return harness;
}

/** A task with changes. */
export function taskOf(taskId: string, changes: Partial<TaskMessage>): TaskMessage {
	return {
		taskId,
		phase: "train",
		runId: "run",
		round: 1,
		seed: 0,
		numLocalSteps: 1,
		globalStep: 0,
		totalSteps: 1,
		proximalMu: 0,
		clipNorm: null,
		learning: null,
		weights: "",
		createdAtMs: NOW_MS,
		...changes,
	};
}
