// The runtime on onnxruntime-node: one worker thread per runtime, so that the caller's event loop stays free.
import { availableParallelism, cpus } from "node:os";
import type { NamedArrays, NdArray } from "@zk0/arrays";
import { installedVersion } from "@zk0/arrays/node";
import { AutodiffError } from "./errors.ts";
import { feedsOf, type Graph, outputsOf, parametersOf } from "./graph.ts";
import { END_OF_COPIES } from "./node/end-of-copies.ts";
import { findWeightFiles } from "./node/external-weights.ts";
import type { Device, SessionSettings } from "./node/ort-session.ts";
import { buffersOf, copyArrays, type WireModel } from "./node/protocol.ts";
import { createTrainerClient } from "./node/trainer-client.ts";
import { WorkerLink } from "./node/worker-link.ts";
import { emitOnnx } from "./onnx/emit.ts";
import { checkFeeds, type RunOptions, type Runtime, type Session } from "./runtime.ts";

export { collectGarbage } from "./node/collect-garbage.ts";
export { chooseDevice, type DeviceChoice, type DeviceTrial, fastest, tryDevice } from "./node/device.ts";
export type { Device } from "./node/ort-session.ts";

/** Options of `createOrtRuntime`. */
export interface OrtRuntimeOptions {
	/** Threads that one operator may use; default all processors. Results do not depend on it. */
	readonly threads?: number;
	/**
	 * Where graphs run; default "cpu". On "webgpu" a trainer's parameters and moments stay on the device between steps;
	 * on "cuda" they cross the bus in every step.
	 */
	readonly device?: Device;
	/** Makes every session write ONNX Runtime's profile when it ends: the start of the file's path. Slows runs a little. */
	readonly profilePrefix?: string;
}

/** A runtime on onnxruntime-node. */
export interface OrtRuntime extends Runtime {
	readonly threads: number;
	readonly device: Device;
}

/**
 * Starts a worker thread with onnxruntime-node; the caller disposes the runtime.
 * @throws AutodiffError "not-installed" where that optional package is missing
 * @example
 * await using runtime = await createOrtRuntime({ threads: 2 });
 * await using session = await runtime.compile(graph);
 * const outputs = await session.run(feeds);
 */
export async function createOrtRuntime(options: OrtRuntimeOptions = {}): Promise<OrtRuntime> {
	const threads = options.threads ?? availableParallelism();
	if (!Number.isSafeInteger(threads) || threads < 1) {
		throw new RangeError(`createOrtRuntime: threads ${threads} must be a positive whole number`);
	}
	const { device = "cpu", profilePrefix } = options;
	const library = `onnxruntime-node ${libraryVersion()}`;
	const settings: SessionSettings = { threads, device, profilePrefix };
	const link = new WorkerLink(workerEntry(), settings);
	const live = new Set<number>();
	return {
		threads,
		device,
		arithmetic: `${library}, ${device}, ${cpus()[0]?.model ?? process.arch}, threads ${threads}`,
		get numLiveHandles() {
			return live.size;
		},
		compile: async (graph, { packWeights = false } = {}) => {
			const model = await toWireModel(graph, device, { packWeights });
			const handle = await link.call("compile", { model });
			return createSession(link, live, handle, graph);
		},
		createTrainer: (trainer) =>
			createTrainerClient(link, live, trainer, (graph, role) =>
				toWireModel(graph, device, { inPlace: role === "train" && device !== "webgpu" }),
			),
		[Symbol.asyncDispose]: async () => {
			await link.close();
			live.clear();
		},
	};
}

function createSession(link: WorkerLink, live: Set<number>, handle: number, graph: Graph): Session {
	const declared = feedsOf(graph);
	live.add(handle);
	return {
		run: async (feeds: NamedArrays, { signal }: RunOptions = {}): Promise<Map<string, NdArray>> => {
			if (!live.has(handle)) throw new AutodiffError("disposed", "run: the session was disposed");
			checkFeeds("run", declared, feeds);
			const copies = copyArrays(feeds);
			return link.call(
				"run",
				{ handle, feeds: copies },
				{ signal, abandon: true, transfer: buffersOf(copies) },
			);
		},
		[Symbol.asyncDispose]: async () => {
			if (live.delete(handle)) await link.release(handle);
		},
	};
}

interface ModelOptions {
	readonly packWeights?: boolean;
	/** Whether its runs write to buffers that they are given for all outputs. */
	readonly inPlace?: boolean;
}

async function toWireModel(
	graph: Graph,
	device: Device,
	{ packWeights = false, inPlace = false }: ModelOptions,
): Promise<WireModel> {
	const { folder, locate } = await findWeightFiles(graph);
	const target = device === "cpu" ? "cpu" : "gpu";
	return {
		onnx: emitOnnx(graph, { locate, target, ...(inPlace ? { sequenceOutput: END_OF_COPIES } : {}) }),
		weightsFolder: folder,
		packWeights,
		outputs: outputsOf(graph),
		parameterNames: [...parametersOf(graph).keys()],
	};
}

function libraryVersion(): string {
	const version = installedVersion("onnxruntime-node", import.meta.url);
	if (version !== null) return version;
	throw new AutodiffError(
		"not-installed",
		"onnxruntime-node, which trains and runs policies, is not installed: run npm install again without --omit=optional, " +
			"and with ONNXRUNTIME_NODE_INSTALL=skip where its download of CUDA libraries fails",
	);
}

/** Worker threads run built JavaScript also when this file runs as source. */
function workerEntry(): URL {
	return import.meta.url.endsWith(".ts")
		? new URL("../dist/node/ort-worker.js", import.meta.url)
		: new URL("./node/ort-worker.js", import.meta.url);
}
