// The optimizer's arithmetic as small graphs, one per kernel and tensor shape, for parameters that stay on the device.
import type { Shape } from "@zk0/arrays";
import { createGraph } from "../create-graph.ts";
import { add, div, mul, sqrt, square, sub } from "../expr/elementwise.ts";
import { reduceSum } from "../expr/reduction.ts";
import { type Graph, outputsOf } from "../graph.ts";
import { emitOnnx } from "../onnx/emit.ts";
import type { AdamWOptions } from "../optim/adamw.ts";
import { OrtSession, type SessionSettings, type Tensors } from "./ort-session.ts";

type KernelName = "copy" | "fetch" | "sumSquares" | "scale" | "addScaled" | "proximal" | "adamw";

type KernelGraph = (shape: Shape, adamw: AdamWOptions) => Graph;

/** One row per kernel. `fetch` and `sumSquares` end in host memory, the others on the device. */
const KERNELS: Readonly<Record<KernelName, KernelGraph>> = {
	copy: (shape) => {
		const graph = createGraph();
		graph.output("y", mul(graph.input("x", "float32", shape), 1));
		return graph.build();
	},
	fetch: (shape, adamw) => KERNELS.copy(shape, adamw),
	sumSquares: (shape) => {
		const graph = createGraph();
		graph.output("y", reduceSum(square(graph.input("x", "float32", shape))));
		return graph.build();
	},
	scale: (shape) => {
		const graph = createGraph();
		graph.output("y", mul(graph.input("x", "float32", shape), graph.input("weight", "float32", [])));
		return graph.build();
	},
	addScaled: (shape) => {
		const graph = createGraph();
		const [sum, x] = [graph.input("sum", "float32", shape), graph.input("x", "float32", shape)];
		graph.output("y", add(sum, mul(x, graph.input("weight", "float32", []))));
		return graph.build();
	},
	proximal: (shape) => {
		const graph = createGraph();
		const [g, w] = [graph.input("g", "float32", shape), graph.input("w", "float32", shape)];
		const distance = sub(w, graph.input("anchor", "float32", shape));
		graph.output("y", add(g, mul(distance, graph.input("mu", "float32", []))));
		graph.output("distance", distance);
		return graph.build();
	},
	adamw: (shape, { beta1, beta2, eps }) => {
		const graph = createGraph();
		const tensor = (name: string): ReturnType<typeof graph.input> => graph.input(name, "float32", shape);
		const scalar = (name: string): ReturnType<typeof graph.input> => graph.input(name, "float32", []);
		const g = mul(tensor("g"), scalar("gradScale"));
		const m = add(mul(tensor("m"), beta1), mul(g, 1 - beta1));
		const v = add(mul(tensor("v"), beta2), mul(square(g), 1 - beta2));
		const change = div(mul(m, scalar("stepSize")), add(mul(sqrt(v), scalar("rootScale")), eps));
		graph.output("next w", sub(mul(tensor("w"), scalar("decay")), change));
		graph.output("next m", m);
		graph.output("next v", v);
		return graph.build();
	},
};

const HOST_OUTPUTS: ReadonlySet<KernelName> = new Set(["fetch", "sumSquares"]);

/** Compiles kernels when they are first wanted and keeps them. */
export class DeviceKernels {
	readonly #sessions = new Map<string, Promise<OrtSession>>();
	readonly #settings: SessionSettings;
	readonly #adamw: AdamWOptions;

	constructor(settings: SessionSettings, adamw: AdamWOptions) {
		this.#settings = settings;
		this.#adamw = adamw;
	}

	/** Runs a kernel whose results stay on the device; the caller disposes them. */
	async run(name: KernelName, shape: Shape, feeds: Tensors): Promise<Tensors> {
		const { resident } = await (await this.#session(name, shape)).run(feeds);
		return resident;
	}

	/** Runs a kernel whose result comes to the host. */
	async fetch(name: "fetch" | "sumSquares", shape: Shape, feeds: Tensors): Promise<Float32Array> {
		const { outputs } = await (await this.#session(name, shape)).run(feeds);
		const data = outputs.get("y")?.data;
		if (!(data instanceof Float32Array)) throw new TypeError(`kernel ${name} gave no float32 "y"`);
		return data;
	}

	/** Frees all kernels. */
	async release(): Promise<void> {
		for (const session of this.#sessions.values()) await (await session).release();
		this.#sessions.clear();
	}

	#session(name: KernelName, shape: Shape): Promise<OrtSession> {
		const key = `${name} ${shape.join("x")}`;
		const known = this.#sessions.get(key);
		if (known !== undefined) return known;
		const graph = KERNELS[name](shape, this.#adamw);
		const outputs = outputsOf(graph);
		const model = {
			onnx: emitOnnx(graph, { target: "gpu" }),
			weightsFolder: null,
			outputs,
			parameterNames: [],
		};
		const resident = HOST_OUTPUTS.has(name) ? [] : [...outputs.keys()];
		const made = OrtSession.create(model, { ...this.#settings, resident });
		this.#sessions.set(key, made);
		return made;
	}
}
