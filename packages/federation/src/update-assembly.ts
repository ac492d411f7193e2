// An update on its way into one file: checked and written in the file's order while its chunks arrive, so that little is
// left to do when the last one has come. What it finds is judged elsewhere.
import { type ArrayRecord, inflateMessage } from "@zk0/flower";
import type { ObjectStore, ObjectUpload } from "./object-store.ts";
import { readReply } from "./reply-message.ts";
import type { ReplyObjects } from "./reply-objects.ts";
import { compareTensors, inspectUpdate, type TensorSpecs, type UpdateDefect } from "./update-check.ts";
import { fileBytes, fileSizeBytes, wireTensors } from "./wire-arrays.ts";

/** What became of an update's bytes. */
export type Assembled =
	| { readonly kind: "defect"; readonly defect: UpdateDefect }
	/** Whole and checked; the caller commits it. */
	| { readonly kind: "whole"; readonly upload: ObjectUpload };

/** An update that is being written. Disposing it removes what was not committed, once its reply is disposed or whole. */
export interface UpdateAssembly extends AsyncDisposable {
	/** Ends when the update is whole or found to be wrong; fails with the errors of objects and storage. */
	readonly done: Promise<Assembled>;
	/** True once a defect is known: the rest of the chunks is of no use. */
	readonly isDefective: boolean;
}

/** Starts to write the update of a reply of which all indexes are there. */
export function assembleUpdate(reply: ReplyObjects, specs: TensorSpecs, store: ObjectStore): UpdateAssembly {
	let isDefective = false;
	const done = write(reply, specs, store).then((assembled) => {
		isDefective = assembled.kind === "defect";
		return assembled;
	});
	// Whoever asks for the result gets the failure; until then nobody has to.
	done.catch(() => undefined);
	return {
		done,
		get isDefective() {
			return isDefective;
		},
		[Symbol.asyncDispose]: async () => {
			const [result] = await Promise.allSettled([done]);
			if (result.status === "fulfilled" && result.value.kind === "whole")
				await result.value.upload[Symbol.asyncDispose]();
		},
	};
}

async function write(reply: ReplyObjects, specs: TensorSpecs, store: ObjectStore): Promise<Assembled> {
	const result = readReply(await inflateMessage(reply.id, reply.arriving), "train");
	if (result.kind !== "update") return defective({ code: "bad-file", message: "the reply holds no update" });
	return await writeUpdate(result.arrays, specs, store);
}

/** Writes an update into one file of the store, checking it on the way. @throws FederationError disk-full | storage; FlowerError */
export async function writeUpdate(
	arrays: ArrayRecord,
	specs: TensorSpecs,
	store: ObjectStore,
): Promise<Assembled> {
	const tensors = wireTensors(arrays);
	const mismatch = compareTensors(tensors, specs);
	if (mismatch !== null) return defective(mismatch);
	const upload = await store.receive();
	try {
		const inspector = inspectUpdate(specs, fileSizeBytes(tensors));
		for await (const bytes of fileBytes(arrays)) {
			const found = inspector.push(bytes);
			if (found !== null) return await discarded(upload, found);
			await upload.write(bytes);
		}
		const found = inspector.finish();
		return found === null ? { kind: "whole", upload } : await discarded(upload, found);
	} catch (error) {
		await upload[Symbol.asyncDispose]();
		throw error;
	}
}

async function discarded(upload: ObjectUpload, defect: UpdateDefect): Promise<Assembled> {
	await upload[Symbol.asyncDispose]();
	return defective(defect);
}

function defective(defect: UpdateDefect): Assembled {
	return { kind: "defect", defect };
}
