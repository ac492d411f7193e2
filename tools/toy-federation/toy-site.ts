// The work of a toy site: its update is half of the global weights and a constant of its own, which costs next to
// nothing, so that what is measured is the federation around it. A pure function of weights, site and round.
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeSafetensors, float32Array, rng } from "@zk0/arrays";
import { openSafetensors } from "@zk0/arrays/node";
import type { ClientApp, TrainTask } from "@zk0/federation";
import type { Misdeed } from "./settings.ts";

/** How a toy site behaves. */
export interface ToySiteOptions {
	readonly trainMs?: number;
	readonly evaluateMs?: number;
	/** Files with updates to hand in as they are, by round; null: made by the site. */
	readonly sharedUpdates?: readonly string[] | null;
	readonly misdeed?: Misdeed | null;
	/** Is told when a training has begun. */
	readonly onTraining?: (task: TrainTask) => void;
	/** Is told when a training has ended. */
	readonly onTrained?: (task: TrainTask) => void;
}

const PIECE_BYTES = 4 << 20;

/** A site's app. */
export function toySite(site: string, options: ToySiteOptions = {}): ClientApp {
	const { trainMs = 0, evaluateMs = 0, sharedUpdates = null, misdeed = null } = options;
	const stream = rng("toy site", site);
	const numSamples = 10 + stream.below(10);
	const constant = Math.fround(stream.normal());
	return {
		describe: () => ({ numSamples, details: { robot: "toy" } }),
		async train(task, { signal, scratchDir, onProgress }) {
			const pause = trainMs > 0 ? sleep(trainMs, undefined, { signal }) : undefined;
			options.onTraining?.(task);
			await pause;
			onProgress({
				step: task.numLocalSteps,
				numSteps: task.numLocalSteps,
				loss: constant,
				samplesPerSecond: null,
			});
			const weightsPath = join(scratchDir, "update.safetensors");
			const shared = sharedUpdates?.[task.round - 1];
			const what = misdeed?.round === task.round ? misdeed.what : null;
			if (what === "throw") throw new RangeError("the toy site's training failed");
			if (shared === undefined)
				await writeShifted(task.weightsPath, weightsPath, Math.fround(constant * task.round));
			if (what !== null) await spoil(what, weightsPath);
			options.onTrained?.(task);
			return {
				weightsPath: shared ?? weightsPath,
				numSamples: what === "no-samples" ? 0 : numSamples,
				metrics: { constant },
			};
		},
		async evaluate(task, { signal }) {
			if (evaluateMs > 0) await sleep(evaluateMs, undefined, { signal });
			using file = openSafetensors(task.weightsPath);
			const [name] = [...file.entries.keys()].sort();
			const data = name === undefined ? [] : file.readFloat32(name).data;
			return { loss: Math.abs(data[0] ?? 0), numSamples, metrics: {} };
		},
	};
}

/** Writes the tensors of `from`, halved and shifted, a piece at a time. */
export async function writeShifted(from: string, to: string, shift: number): Promise<void> {
	const dataStart = await headerBytes(from);
	const input = await open(from, "r");
	const output = await open(to, "w");
	try {
		const buffer = Buffer.alloc(PIECE_BYTES);
		let position = 0;
		for (let size = dataStart; ; size = PIECE_BYTES) {
			const { bytesRead } = await input.read(buffer, 0, Math.min(size, PIECE_BYTES), position);
			if (bytesRead === 0) return;
			if (position >= dataStart) shiftInPlace(buffer, bytesRead, shift);
			await output.write(buffer, 0, bytesRead, position);
			position += bytesRead;
		}
	} finally {
		await input.close();
		await output.close();
	}
}

function shiftInPlace(buffer: Buffer, numBytes: number, shift: number): void {
	const values = new Float32Array(buffer.buffer, buffer.byteOffset, numBytes / 4);
	for (let index = 0; index < values.length; index++) values[index] = (values[index] ?? 0) * 0.5 + shift;
}

async function headerBytes(path: string): Promise<number> {
	const file = await open(path, "r");
	try {
		const { buffer } = await file.read(Buffer.alloc(8), 0, 8, 0);
		return 8 + Number(buffer.readBigUInt64LE());
	} finally {
		await file.close();
	}
}

/** Makes an update unusable. */
async function spoil(what: Misdeed["what"], path: string): Promise<void> {
	const tensors = new Map<string, ReturnType<typeof float32Array>>();
	{
		using file = openSafetensors(path);
		for (const name of file.entries.keys()) tensors.set(name, file.readFloat32(name));
	}
	const [first] = tensors;
	if (first === undefined) throw new RangeError("toy site: weights without tensors");
	const [name, { shape, data }] = first;
	if (what === "nan")
		tensors.set(
			name,
			float32Array(
				shape,
				data.map(() => Number.NaN),
			),
		);
	else if (what === "wrong-shape") tensors.set(name, float32Array([...shape, 1], data));
	else if (what === "missing-tensor") tensors.delete(name);
	else if (what === "no-file") return await writeFile(path, "this is no safetensors file");
	else return;
	await writeFile(path, encodeSafetensors(tensors));
}
