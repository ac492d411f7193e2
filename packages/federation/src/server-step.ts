// The second half of aggregation for strategies with per-tensor server state: streams mean, current weights and slots
// through the strategy's elementwise step. Slots live in a safetensors file as `<slot>:<tensor>`.

import { type FileHandle, open } from "node:fs/promises";
import { encodeSafetensorsHeader, parseSafetensorsHeader, type SafetensorsEntry } from "@zk0/arrays";
import { openSafetensors } from "@zk0/arrays/node";
import { FederationError, throwIfCancelled } from "./errors.ts";
import { storageError } from "./storage-error.ts";
import type { ServerStep } from "./strategy.ts";

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
		await using files = await openStepFiles(options);
		for (const name of files.mean.keys()) await stepTensor(options, files, name);
	} catch (error) {
		throw storageError(error, "server step");
	}
}

interface StepFiles extends AsyncDisposable {
	readonly mean: ReadonlyMap<string, SafetensorsEntry>;
	readonly current: ReadonlyMap<string, SafetensorsEntry>;
	readonly slots: ReadonlyMap<string, SafetensorsEntry>;
	readonly meanFile: FileHandle;
	readonly currentFile: FileHandle;
	/** Null in the first round. */
	readonly oldSlotsFile: FileHandle | null;
	readonly newSlotsFile: FileHandle;
}

async function openStepFiles(options: ServerStepOptions): Promise<StepFiles> {
	const opened: FileHandle[] = [];
	const close = async (): Promise<void> => {
		for (const file of opened.splice(0)) await file.close();
	};
	const openFile = async (path: string, flags: string): Promise<FileHandle> => {
		const file = await open(path, flags);
		opened.push(file);
		return file;
	};
	try {
		const mean = readEntries(options.mean);
		const infos = [...mean].flatMap(([name, info]) =>
			options.step.slots.map((slot) => [`${slot}:${name}`, info] as const),
		);
		const header = encodeSafetensorsHeader(new Map(infos));
		const { entries: slots } = parseSafetensorsHeader(header, "slots");
		const newSlotsFile = await openFile(options.slotsOut, "w+");
		await newSlotsFile.write(header);
		return {
			mean,
			current: readEntries(options.current),
			slots,
			meanFile: await openFile(options.mean, "r+"),
			currentFile: await openFile(options.current, "r"),
			oldSlotsFile: options.slots === null ? null : await openFile(options.slots, "r"),
			newSlotsFile,
			[Symbol.asyncDispose]: close,
		};
	} catch (error) {
		await close();
		throw error;
	}
}

function readEntries(path: string): ReadonlyMap<string, SafetensorsEntry> {
	using file = openSafetensors(path);
	return file.entries;
}

async function stepTensor(options: ServerStepOptions, files: StepFiles, name: string): Promise<void> {
	const { step, signal } = options;
	const meanEntry = requireEntry(files.mean, name);
	const currentEntry = requireEntry(files.current, name);
	const slotEntries = step.slots.map((slot) => requireEntry(files.slots, `${slot}:${name}`));
	for (let start = 0; start < meanEntry.sizeBytes; start += CHUNK_ELEMENTS * 4) {
		throwIfCancelled(signal, "server step");
		const count = Math.min(CHUNK_ELEMENTS, (meanEntry.sizeBytes - start) / 4);
		const mean = await readFloats(files.meanFile, meanEntry.offsetBytes + start, count);
		const current = await readFloats(files.currentFile, currentEntry.offsetBytes + start, count);
		const slots: Float32Array[] = [];
		for (const { offsetBytes } of slotEntries) {
			const old = files.oldSlotsFile;
			slots.push(old === null ? new Float32Array(count) : await readFloats(old, offsetBytes + start, count));
		}
		step.apply(mean, current, slots);
		if (!mean.every(Number.isFinite) || !slots.every((slot) => slot.every(Number.isFinite))) {
			const message = `the server step made values of ${name} that are not finite; lower its learning rate`;
			throw new FederationError("not-finite", message);
		}
		await writeFloats(files.meanFile, meanEntry.offsetBytes + start, mean);
		for (const [index, { offsetBytes }] of slotEntries.entries()) {
			await writeFloats(files.newSlotsFile, offsetBytes + start, slots[index] ?? new Float32Array(count));
		}
	}
}

function requireEntry(entries: ReadonlyMap<string, SafetensorsEntry>, name: string): SafetensorsEntry {
	const entry = entries.get(name);
	if (entry === undefined)
		throw new FederationError("missing-tensor", `server step: there is no tensor ${name}`);
	return entry;
}

async function readFloats(file: FileHandle, position: number, count: number): Promise<Float32Array> {
	const values = new Float32Array(count);
	const bytes = new Uint8Array(values.buffer);
	for (let done = 0; done < bytes.length; ) {
		const { bytesRead } = await file.read(bytes, done, bytes.length - done, position + done);
		if (bytesRead === 0) throw new FederationError("storage", "server step: a file ended early");
		done += bytesRead;
	}
	return values;
}

async function writeFloats(file: FileHandle, position: number, values: Float32Array): Promise<void> {
	const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
	for (let done = 0; done < bytes.length; ) {
		const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
		done += bytesWritten;
	}
}
