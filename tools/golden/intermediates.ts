// Compares what flows between the stages with the reference's `mid.*` and `prep.*` tensors, on valid rows only: a
// fully masked row of the reference attends uniformly and is read by nobody.
import { type NdArray, toFloat32 } from "@zk0/arrays";
import type { Session, Value } from "@zk0/autodiff";
import type { OrtRuntime } from "@zk0/autodiff/node";
import { composeForward, openStages } from "@zk0/policy";
import { type Check, maxAbsError, norm } from "./errors.ts";
import type { GoldenBatch } from "./feeds.ts";
import { graphOptions } from "./outputs.ts";
import type { Reference } from "./reference.ts";

const PIXEL_LIMIT = 1e-4;
const VECTOR_LIMIT = 1e-5;
/** Relative to the largest reference value: float32 rounding through up to a dozen layers. */
const INTERMEDIATE_LIMIT = 5e-5;

/** Resized pixels, camera masks, padded states and actions. */
export function preparationChecks(reference: Reference, batch: GoldenBatch): Check[] {
	const checks: Check[] = [];
	const { dims, layout, batchSize, images } = batch;
	const stride = 3 * dims.vision.imageHeight * dims.vision.imageWidth;
	layout.cameras.forEach((camera, index) => {
		const expected = reference.tensors.get(`prep.image.${index}`);
		if (expected === undefined) return;
		const mine = new Float32Array(batchSize * stride);
		for (let sample = 0; sample < batchSize; sample++) {
			const from = (sample * layout.cameras.length + index) * stride;
			mine.set(images.subarray(from, from + stride), sample * stride);
		}
		const error = maxAbsError(mine, toFloat32(expected));
		checks.push({ name: `resized pixels ${camera}`, error, limit: PIXEL_LIMIT, measure: "max abs error" });
	});
	const vectors: [string, string][] = [
		["prep.state", "state"],
		["mid.x_t", "x_t"],
		["mid.u_t", "u_t"],
		["mid.time_emb", "time_embedding"],
	];
	for (const [name, feed] of vectors) {
		const expected = reference.tensors.get(name);
		const mine = batch.feeds.get(feed);
		if (expected === undefined || mine === undefined) continue;
		const error = maxAbsError(toFloat32(mine), toFloat32(expected));
		checks.push({ name: feed, error, limit: VECTOR_LIMIT, measure: "max abs error" });
	}
	return checks;
}

/** Column of our prefix for each column of the reference's prefix without state; null for one we leave out. */
function columnMap({ layout }: GoldenBatch, numReference: number, emptyCameras: number): (number | null)[] {
	const columns: (number | null)[] = [];
	let next = 0;
	const take = (count: number): void => {
		for (let token = 0; token < count; token++) columns.push(next++);
	};
	const skip = (count: number): void => {
		for (let token = 0; token < count; token++) columns.push(null);
	};
	const hasSpecial = layout.segments.some(({ kind }) => kind === "special");
	const around = hasSpecial ? { before: 2, after: 1 } : { before: 0, after: 0 };
	for (let camera = 0; camera < layout.cameras.length + emptyCameras; camera++) {
		take(around.before);
		if (camera < layout.cameras.length) take(layout.tokensPerImage);
		else skip(layout.tokensPerImage);
		take(around.after);
	}
	take(layout.languageLength);
	take(1); // the state token
	skip(numReference - columns.length);
	return columns;
}

/** Rows `[batch, column]` of two arrays that are valid in the reference, as the two equally long lists to compare. */
interface Rows {
	readonly mine: Float32Array;
	readonly reference: Float32Array;
}

function validRows(
	mine: NdArray,
	expected: NdArray,
	columns: readonly (number | null)[],
	valid: Uint8Array,
): Rows {
	const [batchSize = 1, numExpected = 1] = expected.shape;
	const [, numMine = 1] = mine.shape;
	const width = toFloat32(expected).length / (batchSize * numExpected);
	const rows: [number[], number[]] = [[], []];
	const [from, to] = [toFloat32(mine), toFloat32(expected)];
	for (let sample = 0; sample < batchSize; sample++) {
		for (let column = 0; column < numExpected; column++) {
			const place = columns[column] ?? null;
			if (place === null || place >= numMine || valid[sample * numExpected + column] !== 1) continue;
			const start = (sample * numMine + place) * width;
			rows[0].push(...from.subarray(start, start + width));
			const startExpected = (sample * numExpected + column) * width;
			rows[1].push(...to.subarray(startExpected, startExpected + width));
		}
	}
	return { mine: Float32Array.from(rows[0]), reference: Float32Array.from(rows[1]) };
}

/** `[B, heads, T, D]` -> `[B, T, heads, D]` as the reference stores keys and values. */
function tokensFirst(array: NdArray): NdArray<"float32"> {
	const [batchSize = 1, heads = 1, length = 1, dim = 1] = array.shape;
	const source = toFloat32(array);
	const out = new Float32Array(source.length);
	for (let row = 0; row * dim < source.length; row++) {
		const token = row % length;
		const head = Math.floor(row / length) % heads;
		const sample = Math.floor(row / (length * heads));
		out.set(source.subarray(row * dim, (row + 1) * dim), ((sample * length + token) * heads + head) * dim);
	}
	return { dtype: "float32", shape: [batchSize, length, heads, dim], data: out };
}

function scaledError({ mine, reference }: Rows): number {
	const scale = Math.max(
		1e-6,
		reference.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
	);
	return norm(reference) === 0 ? maxAbsError(mine, reference) : maxAbsError(mine, reference) / scale;
}

function openProbe(reference: Reference, batch: GoldenBatch, runtime: OrtRuntime): Promise<Session> {
	const stages = openStages(reference.model, graphOptions(batch), new Set());
	const forward = composeForward(stages);
	const name = (label: string, value: Value | null): void => {
		if (value !== null) stages.graph.output(label, value);
	};
	name("connector", forward.prefix.imageTokens);
	name("prefix_embs", forward.prefix.embeddings);
	name("suffix_embs", forward.suffix);
	name("suffix_out", forward.expertOut);
	name("v_t", forward.velocity);
	forward.keyValues.forEach(({ key, value }, layer) => {
		name(`kv.${layer}.key`, key);
		name(`kv.${layer}.value`, value);
	});
	return runtime.compile(stages.graph.build());
}

/** Connector output, prefix embeddings, keys and values, suffix embeddings and output, velocity. */
export async function intermediateChecks(
	reference: Reference,
	batch: GoldenBatch,
	runtime: OrtRuntime,
): Promise<Check[]> {
	await using session = await openProbe(reference, batch, runtime);
	const outputs = await session.run(batch.feeds);
	const checks: Check[] = [];
	const add = (name: string, rows: Rows): void => {
		checks.push({
			name,
			error: scaledError(rows),
			limit: INTERMEDIATE_LIMIT,
			measure: "max error / max value",
		});
	};
	const whole = (name: string, expected: NdArray | undefined): void => {
		const mine = outputs.get(name);
		if (mine === undefined || expected === undefined) return;
		add(name, { mine: toFloat32(mine), reference: toFloat32(expected) });
	};
	const connector = outputs.get("connector");
	const firstImage = reference.tensors.get("mid.connector.0");
	if (connector !== undefined && firstImage !== undefined) {
		const [batchSize = 1, numCameras = 1, ...rest] = connector.shape;
		const stride = rest.reduce((product, dim) => product * dim, 1);
		const values = toFloat32(connector);
		const mine = Array.from({ length: batchSize }, (_, sample) => {
			const start = sample * numCameras * stride;
			return [...values.subarray(start, start + stride)];
		});
		add("connector", { mine: Float32Array.from(mine.flat()), reference: toFloat32(firstImage) });
	}
	whole("suffix_embs", reference.tensors.get("mid.suffix_embs"));
	whole("suffix_out", reference.tensors.get("mid.suffix_out"));
	whole("v_t", reference.tensors.get("out.v_t"));
	const padMask = reference.tensors.get("mid.prefix_pad_masks");
	if (padMask === undefined) return checks;
	const valid = Uint8Array.from(toFloat32(padMask));
	const columns = columnMap(batch, padMask.shape[1] ?? 0, reference.model.config.empty_cameras);
	const embeddings = outputs.get("prefix_embs");
	const expectedEmbeddings = reference.tensors.get("mid.prefix_embs");
	if (embeddings !== undefined && expectedEmbeddings !== undefined) {
		add("prefix_embs", validRows(embeddings, expectedEmbeddings, columns, valid));
	}
	for (const [label, mine] of outputs) {
		const expected = reference.tensors.get(`mid.${label}`);
		if (!label.startsWith("kv.") || expected === undefined) continue;
		add(label, validRows(tokensFirst(mine), expected, columns, valid));
	}
	return checks;
}
