// An update that enters the store: as one file, whole and checked, with its distance from what its task sent.
import type { SiteTask } from "./grid.ts";
import type { ObjectStore, ObjectUpload } from "./object-store.ts";
import type { ReadReply } from "./reply-message.ts";
import { writeUpdate } from "./update-assembly.ts";
import { NO_SAMPLES, type UpdateDefect } from "./update-check.ts";
import { dtypeOf } from "./update-dtype.ts";
import { updateNorm } from "./update-norm.ts";

/** A whole and checked update. */
export interface StoredUpdate {
	readonly sha256: string;
	readonly sizeBytes: number;
	/** How far it is from the weights that its task sent; null when the task sets no limit. */
	readonly norm: number | null;
}

/** Stores the update of a task, or says what is wrong with it. @throws FederationError disk-full | storage; FlowerError */
export async function storeUpdate(
	store: ObjectStore,
	task: SiteTask,
	{ arrays, numSamples }: Extract<ReadReply, { kind: "update" }>,
): Promise<StoredUpdate | UpdateDefect> {
	if (numSamples === 0) return NO_SAMPLES;
	const written = await writeUpdate(arrays, task.expects ?? new Map(), store);
	if (written.kind === "defect") return written.defect;
	await using upload = written.upload;
	return await commitUpdate(store, task, upload);
}

/** Commits the file of a task's update. @throws FederationError disk-full | storage */
export async function commitUpdate(
	store: ObjectStore,
	{ message }: SiteTask,
	upload: ObjectUpload,
): Promise<StoredUpdate> {
	const { sha256, sizeBytes } = await upload.commit();
	if (message.clipNorm === null) return { sha256, sizeBytes, norm: null };
	const { path } = store.get(sha256);
	// In bfloat16 the difference itself travels.
	const base = dtypeOf(path) === "bfloat16" ? null : store.get(message.weights).path;
	return { sha256, sizeBytes, norm: await updateNorm(path, base) };
}
