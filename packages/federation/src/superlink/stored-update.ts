// An update on its way into the store: checked while it is written as one file, refused with the first thing that is wrong.
import type { SiteTask } from "../grid.ts";
import type { ObjectStore } from "../object-store.ts";
import type { ReadReply } from "../reply-message.ts";
import { compareTensors, inspectUpdate, type UpdateDefect } from "../update-check.ts";
import { dtypeOf } from "../update-dtype.ts";
import { updateNorm } from "../update-norm.ts";
import { fileBytes, fileSizeBytes, wireTensors } from "../wire-arrays.ts";

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
	{ message, expects }: SiteTask,
	{ arrays, numSamples }: Extract<ReadReply, { kind: "update" }>,
): Promise<StoredUpdate | UpdateDefect> {
	if (numSamples === 0) return { code: "zero-samples", message: "the update was trained on 0 samples" };
	const specs = expects ?? new Map();
	const tensors = wireTensors(arrays);
	const mismatch = compareTensors(tensors, specs);
	if (mismatch !== null) return mismatch;
	await using upload = await store.receive();
	const inspector = inspectUpdate(specs, fileSizeBytes(tensors));
	for await (const bytes of fileBytes(arrays)) {
		const found = inspector.push(bytes);
		if (found !== null) return found;
		await upload.write(bytes);
	}
	const found = inspector.finish();
	if (found !== null) return found;
	const { sha256, sizeBytes } = await upload.commit();
	return {
		sha256,
		sizeBytes,
		norm: message.clipNorm === null ? null : await normOf(store, sha256, message.weights),
	};
}

async function normOf(store: ObjectStore, sha256: string, weights: string): Promise<number> {
	const { path } = store.get(sha256);
	// In bfloat16 the difference itself travels.
	return await updateNorm(path, dtypeOf(path) === "bfloat16" ? null : store.get(weights).path);
}
