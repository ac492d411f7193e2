// Weighted mean of updates from files to a file, tensor by tensor and chunk by chunk: memory does not grow with the
// number of updates. Terms are added in the order of site names, the first one assigned; weights are n_k / N in float64
// and so is the accumulator, rounded once to float32 at the end. Equal inputs therefore give back exactly their bits,
// and neither arrival order nor thread count changes the result.

import { once } from "node:events";
import { open } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { encodeSafetensorsHeader, type Shape } from "@zk0/arrays";
import { openSafetensors } from "@zk0/arrays/node";
import { type AggregateJob, aggregatePass, type PassShare, type TensorRange } from "./aggregate-pass.ts";
import { FederationError, throwIfCancelled } from "./errors.ts";
import { storageError, storageErrorFromCode } from "./storage-error.ts";
import { compareTensors } from "./update-check.ts";
import type { UpdateDtype } from "./update-dtype.ts";

/** An update on disk. */
export interface UpdateFile {
	readonly site: string;
	/** Safetensors file, all tensors float32, or all bfloat16 where differences are added. */
	readonly path: string;
	/** Relative weight, finite and > 0 (samples consumed). */
	readonly weight: number;
	/** Share of its difference to the base that counts, in (0, 1]; default 1: clipping. */
	readonly scale?: number;
}

/** Options of `aggregateFiles`. */
export interface AggregateOptions {
	/** At least one, any order, distinct site names, all with the same tensors. */
	readonly updates: readonly UpdateFile[];
	/** Float32 file that the updates were made from; needed for bfloat16 and where a scale is below 1. */
	readonly base?: string | null;
	/** Float32: the updates are weights. Bfloat16: they are differences to the base. @default float32 */
	readonly updateDtype?: UpdateDtype;
	/** File to make (not atomic: write to a spool path and adopt it). Tensors are sorted by name. */
	readonly out: string;
	/** Worker threads; default 2. Less than 64 MiB of input is done in place. */
	readonly threads?: number;
	readonly signal?: AbortSignal | undefined;
}

/** Below this much input, starting threads costs more than the sum. */
const MIN_THREADED_BYTES = 64 << 20;

/**
 * Writes the weighted mean of the updates to `out`. A scaled update u counts as base + scale * (u - base), which is
 * never rounded by itself: the base is one more term of the sum.
 * @throws FederationError missing-tensor | extra-tensor | wrong-shape | wrong-dtype when the updates differ,
 * disk-full | storage, cancelled. RangeError on bad weights or names.
 */
export async function aggregateFiles(options: AggregateOptions): Promise<void> {
	throwIfCancelled(options.signal, "aggregation");
	const updates = sortUpdates(options.updates);
	const { base = null, updateDtype: dtype = "float32" } = options;
	const shares = normaliseWeights(updates.map(({ weight }) => weight));
	const scales = updates.map(scaleOf);
	const weights = shares.map((share, index) => share * (scales[index] ?? 1));
	const files: SummedFile[] = updates.map(({ path, site }) => ({ path, name: site, dtype }));
	if (dtype === "bfloat16" || scales.some((scale) => scale < 1)) {
		if (base === null) throw new RangeError("aggregate: differences and scales need a base");
		files.unshift({ path: base, name: "the global weights", dtype: "float32" });
		const rest = shares.reduce((sum, share, index) => sum + share * (1 - (scales[index] ?? 1)), 0);
		weights.unshift(dtype === "bfloat16" ? 1 : rest);
	}
	const { specs, tensors, header } = planTensors(files);
	const inputs = files.map(({ path, dtype }) => ({ path, dtype }));
	const job: AggregateJob = { inputs, weights, tensors, output: options.out };
	const totalBytes = tensors.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
	try {
		await createFile(options.out, header, header.length + totalBytes);
		if (specs.size === 0) return;
		const threads = totalBytes * updates.length < MIN_THREADED_BYTES ? 0 : (options.threads ?? 2);
		if (threads === 0) await runInPlace(job, options.signal);
		else await runInWorkers(job, threads, options.signal);
	} catch (error) {
		throw storageError(error, `aggregation into ${options.out}`);
	}
}

/** Weights divided by their sum, in float64. @throws RangeError when one is not finite and positive. */
export function normaliseWeights(weights: readonly number[]): number[] {
	const bad = weights.find((weight) => !(Number.isFinite(weight) && weight > 0));
	if (bad !== undefined || weights.length === 0) {
		throw new RangeError(`aggregate: weights [${weights.join(", ")}] must be finite and positive`);
	}
	const total = weights.reduce((sum, weight) => sum + weight);
	return weights.map((weight) => weight / total);
}

function scaleOf({ site, scale = 1 }: UpdateFile): number {
	if (scale > 0 && scale <= 1) return scale;
	throw new RangeError(`aggregate: scale ${scale} of ${site} is not in (0, 1]`);
}

function sortUpdates(updates: readonly UpdateFile[]): UpdateFile[] {
	if (new Set(updates.map(({ site }) => site)).size !== updates.length) {
		throw new RangeError(`aggregate: site names repeat in ${updates.map(({ site }) => site).join(", ")}`);
	}
	return [...updates].sort((a, b) => (a.site < b.site ? -1 : 1));
}

/** A term of the sum. */
interface SummedFile {
	readonly path: string;
	/** For messages. */
	readonly name: string;
	readonly dtype: UpdateDtype;
}

interface Plan {
	readonly specs: ReadonlyMap<string, Shape>;
	readonly tensors: readonly TensorRange[];
	readonly header: Uint8Array;
}

function planTensors(files: readonly SummedFile[]): Plan {
	const offsets = new Map<string, number[]>();
	let specs: ReadonlyMap<string, Shape> | undefined;
	for (const { name: site, path, dtype } of files) {
		using file = openSafetensors(path);
		specs ??= new Map([...file.entries].map(([name, { shape }]) => [name, shape]));
		const expected = new Map([...specs].map(([name, shape]) => [name, { dtype, shape }]));
		const defect = compareTensors(file.entries, expected);
		if (defect !== null)
			throw new FederationError(defect.code, `${site}: ${defect.message}`, { ids: { site } });
		for (const [name, { offsetBytes }] of file.entries) {
			const list = offsets.get(name) ?? [];
			list.push(offsetBytes);
			offsets.set(name, list);
		}
	}
	specs ??= new Map();
	const infos = [...specs].map(([name, shape]) => [name, { dtype: "float32", shape }] as const);
	const header = encodeSafetensorsHeader(new Map(infos));
	const tensors: TensorRange[] = [];
	let outputOffset = header.length;
	for (const [name, shape] of [...specs].sort(([a], [b]) => (a < b ? -1 : 1))) {
		const sizeBytes = shape.reduce((product, dim) => product * dim, 4);
		tensors.push({ sizeBytes, inputOffsets: offsets.get(name) ?? [], outputOffset });
		outputOffset += sizeBytes;
	}
	return { specs, tensors, header };
}

async function createFile(path: string, header: Uint8Array, sizeBytes: number): Promise<void> {
	const file = await open(path, "w");
	try {
		await file.write(header);
		await file.truncate(sizeBytes);
	} finally {
		await file.close();
	}
}

async function runInPlace(job: AggregateJob, signal: AbortSignal | undefined): Promise<void> {
	const pass = aggregatePass(job, { index: 0, count: 1 });
	try {
		while (pass.next().done !== true) {
			throwIfCancelled(signal, "aggregation");
			await new Promise(setImmediate);
		}
	} finally {
		pass.return(undefined);
	}
}

async function runInWorkers(
	job: AggregateJob,
	count: number,
	signal: AbortSignal | undefined,
): Promise<void> {
	const shares = Array.from({ length: count }, (_, index): PassShare => ({ index, count }));
	const results = await Promise.allSettled(shares.map((share) => runWorker(job, share, signal)));
	for (const result of results) if (result.status === "rejected") throw result.reason;
}

async function runWorker(
	job: AggregateJob,
	share: PassShare,
	signal: AbortSignal | undefined,
): Promise<void> {
	const source = import.meta.url.endsWith(".ts");
	const entry = new URL(source ? "../dist/aggregate-worker.js" : "./aggregate-worker.js", import.meta.url);
	// No flags of the parent: the entry is plain JavaScript, and loaders would only slow its start.
	const worker = new Worker(entry, { workerData: { job, share }, execArgv: [] });
	try {
		// Posted by aggregate-worker.ts of the same version.
		const [answer] = (await once(worker, "message", signal === undefined ? {} : { signal })) as [
			{ readonly ok: boolean; readonly code: string; readonly message: string },
		];
		if (!answer.ok) {
			throw storageErrorFromCode(answer.code, `aggregation into ${job.output}`, answer.message);
		}
	} finally {
		await worker.terminate();
	}
}
