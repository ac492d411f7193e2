// The second half of aggregation for strategies with per-tensor server state: streams mean, current weights and slots
// through the strategy's elementwise step. Slots live in a safetensors file as `<slot>:<tensor>`.

import { type FileHandle, open } from "node:fs/promises";
import { encodeSafetensorsHeader, parseSafetensorsHeader, type SafetensorsEntry } from "@zk0/arrays";
import { FederationError, throwIfCancelled } from "./errors.ts";
import { storageError } from "./storage-error.ts";
import type { ServerStep } from "./strategy.ts";
import { openTensorReader, type TensorReader } from "./tensor-reader.ts";

/** Options of `applyServerStep`. */
export interface ServerStepOptions {
	readonly step: ServerStep;
	/** Safetensors file with the weighted mean; becomes the new weights in place. */
	readonly mean: string;
	/** Current global weights. */
	readonly current: string;
	/** Slots of the round before, or null: zeros. */
	readonly slots: string | null;
	/** File to make for the new slots. */
	readonly slotsOut: string;
	readonly signal?: AbortSignal | undefined;
}

const CHUNK_ELEMENTS = 1 << 17;

/** Runs the step over every element. @throws FederationError disk-full | storage | cancelled; not-finite results. */
export async function applyServerStep(options: ServerStepOptions): Promise<void> {
	try {
		await using mean = await openTensorReader(options.mean);
		await using current = await openTensorReader(options.current);
		await using oldSlots = options.slots === null ? null : await openTensorReader(options.slots);
		await using newWeights = await open(options.mean, "r+");
		await using newSlots = await open(options.slotsOut, "w");
		const slotEntries = await writeSlotsHeader(newSlots, options.step, mean);
		const files = { mean, current, oldSlots, newWeights, newSlots, slotEntries };
		for (const [name, entry] of mean.entries) await stepTensor(options, files, { name, ...entry });
	} catch (error) {
		throw storageError(error, "server step");
	}
}

interface StepFiles {
	readonly mean: TensorReader;
	readonly current: TensorReader;
	/** Null in the first round. */
	readonly oldSlots: TensorReader | null;
	readonly newWeights: FileHandle;
	readonly newSlots: FileHandle;
	/** Where the new slots go. */
	readonly slotEntries: ReadonlyMap<string, SafetensorsEntry>;
}

async function writeSlotsHeader(
	file: FileHandle,
	step: ServerStep,
	{ entries }: TensorReader,
): Promise<ReadonlyMap<string, SafetensorsEntry>> {
	const infos = [...entries].flatMap(([name, info]) =>
		step.slots.map((slot) => [`${slot}:${name}`, info] as const),
	);
	const header = encodeSafetensorsHeader(new Map(infos));
	await file.write(header);
	return parseSafetensorsHeader(header, "slots").entries;
}

async function stepTensor(
	{ step, signal }: ServerStepOptions,
	files: StepFiles,
	{ name, offsetBytes, sizeBytes }: SafetensorsEntry & { readonly name: string },
): Promise<void> {
	const numElements = sizeBytes / 4;
	const slotPlaces = step.slots.map((slot) => requireEntry(files.slotEntries, `${slot}:${name}`));
	for (let start = 0; start < numElements; start += CHUNK_ELEMENTS) {
		throwIfCancelled(signal, "server step");
		const count = Math.min(CHUNK_ELEMENTS, numElements - start);
		const mean = await files.mean.read(name, start, count);
		const current = await files.current.read(name, start, count);
		const slots: Float32Array[] = [];
		for (const { key } of slotPlaces)
			slots.push((await files.oldSlots?.read(key, start, count)) ?? new Float32Array(count));
		step.apply(mean, current, slots);
		if (!mean.every(Number.isFinite) || !slots.every((slot) => slot.every(Number.isFinite))) {
			const message = `the server step made values of ${name} that are not finite; lower its learning rate`;
			throw new FederationError("not-finite", message);
		}
		await writeFloats(files.newWeights, offsetBytes + start * 4, mean);
		for (const [index, place] of slotPlaces.entries())
			await writeFloats(
				files.newSlots,
				place.offsetBytes + start * 4,
				slots[index] ?? new Float32Array(count),
			);
	}
}

function requireEntry(entries: ReadonlyMap<string, SafetensorsEntry>, key: string) {
	const entry = entries.get(key);
	if (entry === undefined)
		throw new FederationError("missing-tensor", `server step: there is no tensor ${key}`);
	return { key, offsetBytes: entry.offsetBytes };
}

async function writeFloats(file: FileHandle, position: number, values: Float32Array): Promise<void> {
	const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
	for (let done = 0; done < bytes.length; ) {
		const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
		done += bytesWritten;
	}
}
