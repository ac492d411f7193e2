// Entry of the worker thread: onnxruntime-node computes synchronously inside `run`, so it gets a thread of its own.
import { parentPort, workerData } from "node:worker_threads";
import type { NamedArrays } from "@zk0/arrays";
import { AutodiffError } from "../errors.ts";
import { collectGarbage } from "./collect-garbage.ts";
import { OrtSession, type SessionSettings, toTensors } from "./ort-session.ts";
import { OrtTrainer } from "./ort-trainer.ts";
import {
	buffersOf,
	type CallName,
	type Calls,
	encodeError,
	type WireRequest,
	type WireResponse,
} from "./protocol.ts";

type Handlers = { readonly [K in CallName]: (request: Calls[K]["request"]) => Promise<Calls[K]["response"]> };

if (parentPort === null) throw new AutodiffError("runtime-failed", "ort-worker must run as a worker thread");
const port = parentPort;
// Set by createOrtRuntime.
const handlers = createHandlers(workerData as SessionSettings);
port.on("message", (message: WireRequest) => {
	void answer(message).then(({ response, transfer }) => {
		port.postMessage(response, transfer);
		if (message.kind === "close") port.close();
		// Afterwards nothing refers to the message any more.
		if (message.kind === "loadParameters" || message.kind === "loadOptimizer") setImmediate(collectGarbage);
	});
});

async function answer<K extends CallName>(
	message: WireRequest<K>,
): Promise<{ response: WireResponse; transfer: ArrayBuffer[] }> {
	const { id, kind, request } = message;
	try {
		const value = await handlers[kind](request);
		return { response: { id, ok: true, value }, transfer: transferOf(value) };
	} catch (error) {
		return { response: { id, ok: false, error: encodeError(error) }, transfer: [] };
	}
}

function transferOf(value: Calls[CallName]["response"]): ArrayBuffer[] {
	if (value === null || typeof value === "number") return [];
	if (value instanceof Map) return buffersOf(value);
	if ("metadata" in value) return [];
	return buffersOf("moments" in value ? value.moments : value.outputs);
}

function createHandlers(settings: SessionSettings): Handlers {
	const sessions = new Map<number, OrtSession>();
	const trainers = new Map<number, OrtTrainer>();
	let nextHandle = 0;
	const find = <T>(held: ReadonlyMap<number, T>, handle: number): T => {
		const found = held.get(handle);
		if (found === undefined) throw new AutodiffError("disposed", `handle ${handle} was disposed`);
		return found;
	};
	const release = async (handle: number): Promise<null> => {
		await (sessions.get(handle) ?? trainers.get(handle))?.release();
		sessions.delete(handle);
		trainers.delete(handle);
		return null;
	};
	return {
		compile: async ({ model }) => {
			sessions.set(nextHandle, await OrtSession.create(model, settings));
			return nextHandle++;
		},
		run: async ({ handle, feeds }) => (await find(sessions, handle).run(toTensors(feeds))).outputs,
		createTrainer: async (request) => {
			trainers.set(nextHandle, await OrtTrainer.create(request, settings));
			return nextHandle++;
		},
		loadParameters: async ({ handle, arrays }) => done(await find(trainers, handle).home.load(arrays)),
		readParameters: async ({ handle }) => find(trainers, handle).home.read(),
		resetOptimizer: async ({ handle }) => done(await find(trainers, handle).home.resetOptimizer()),
		readOptimizer: async ({ handle }) => find(trainers, handle).home.readOptimizer(),
		loadOptimizer: async ({ handle, state }) => done(await find(trainers, handle).home.loadOptimizer(state)),
		saveState: async ({ handle, path, metadata }) =>
			done(await find(trainers, handle).saveState(path, metadata)),
		loadState: async ({ handle, path }) => ({ metadata: await find(trainers, handle).loadState(path) }),
		setProximal: async ({ handle, mu }) => done(await find(trainers, handle).home.setProximal(mu)),
		step: (request) => find(trainers, request.handle).step(request),
		evaluate: ({ handle, graphName, feeds }: { handle: number; graphName: string; feeds: NamedArrays }) =>
			find(trainers, handle).evaluate(graphName, feeds),
		release: ({ handle }) => release(handle),
		close: async () => {
			for (const handle of [...sessions.keys(), ...trainers.keys()]) await release(handle);
			return null;
		},
	};
}

function done(_finished: void): null {
	return null;
}
