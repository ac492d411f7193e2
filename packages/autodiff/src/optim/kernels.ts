// The WebAssembly kernels of the optimizer (wasm/optimizer.wat) bound to a memory.
import { WASM_BASE64 } from "../optimizer.wasm.ts";
import type { AdamWOptions, AdamWScalars } from "./adamw.ts";

/** The part of the WebAssembly API used here; the compiler's libraries have it only together with the DOM. */
declare const WebAssembly: {
	readonly Memory: new (limits: { readonly initial: number; readonly maximum: number }) => WasmMemory;
	readonly Module: new (binary: Uint8Array) => object;
	readonly Instance: new (
		module: object,
		imports: { readonly env: { readonly memory: WasmMemory } },
	) => { readonly exports: Readonly<Record<string, unknown>> };
};

interface WasmMemory {
	readonly buffer: ArrayBuffer;
}

/** Byte addresses of equally long regions in the memory. */
export interface Regions {
	readonly parameters: number;
	readonly firstMoments: number;
	readonly secondMoments: number;
	readonly gradients: number;
}

/** Kernels over one memory. Addresses and lengths are bytes and multiples of 64. */
export interface OptimizerKernels {
	/** Sum of squares in float64. */
	sumSquares(address: number, sizeBytes: number): number;
	/** sum := weight * x when `first`, else sum + weight * x. */
	accumulate(sum: number, x: number, sizeBytes: number, weight: number, first: boolean): void;
	/** gradients += mu * (parameters - anchor); returns the sum of (parameters - anchor)^2. */
	proximal(regions: Regions, anchor: number, sizeBytes: number, mu: number): number;
	/** One AdamW update on gradients times `gradScale`. */
	adamw(
		regions: Regions,
		sizeBytes: number,
		update: AdamWScalars & AdamWOptions & { readonly gradScale: number },
	): void;
}

type Kernel = (...args: readonly number[]) => number;

/** A memory of `numPages` pages of 64 KiB, all zero, with kernels bound to it. It never grows. */
export function createKernels(numPages: number): {
	readonly buffer: ArrayBuffer;
	readonly kernels: OptimizerKernels;
} {
	const memory = new WebAssembly.Memory({ initial: numPages, maximum: numPages });
	const binary = Uint8Array.from(atob(WASM_BASE64), (letter) => letter.charCodeAt(0));
	const { exports } = new WebAssembly.Instance(new WebAssembly.Module(binary), { env: { memory } });
	return { buffer: memory.buffer, kernels: kernelsOf(exports) };
}

function kernelsOf(exports: Readonly<Record<string, unknown>>): OptimizerKernels {
	const kernel = (name: string): Kernel => {
		const found = exports[name];
		if (typeof found !== "function") throw new TypeError(`optimizer.wasm exports no function "${name}"`);
		// Exported WebAssembly functions take and return numbers.
		return found as Kernel;
	};
	const [sumSquares, accumulate, proximal, adamw] = [
		kernel("sumSquares"),
		kernel("accumulate"),
		kernel("proximal"),
		kernel("adamw"),
	];
	return {
		sumSquares,
		accumulate: (sum, x, sizeBytes, weight, first) => {
			accumulate(sum, x, sizeBytes, weight, first ? 1 : 0);
		},
		proximal: ({ gradients, parameters }, anchor, sizeBytes, mu) =>
			proximal(gradients, parameters, anchor, sizeBytes, mu),
		adamw: ({ parameters, firstMoments, secondMoments, gradients }, sizeBytes, update) => {
			const { gradScale, beta1, beta2, decay, stepSize, rootScale, eps } = update;
			const scalars = [gradScale, beta1, 1 - beta1, beta2, 1 - beta2, decay, stepSize, rootScale, eps];
			adamw(parameters, firstMoments, secondMoments, gradients, sizeBytes, ...scalars);
		},
	};
}
