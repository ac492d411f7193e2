// Moving objects over the unary calls PushObject and PullObject, a few at a time, each whole in memory only while it
// is on its way.
import type { ReadOptions } from "./chunk-source.ts";
import type { ObjectSources } from "./deflate.ts";
import { FlowerError } from "./errors.ts";
import { Fleet } from "./gen/flwr/proto/fleet_pb.ts";
import type { Refusal } from "./gen/flwr/proto/message_pb.ts";
import { ServerAppIo } from "./gen/flwr/proto/serverappio_pb.ts";
import { type ObjectId, parseObjectId } from "./ids.ts";
import type { ObjectStore } from "./object-store.ts";
import { type RetryPolicy, retryUntil } from "./retry.ts";
import type { CallOptions, Transport } from "./transport.ts";

/** Calls that Flower's own clients have under way at once, per direction. */
const DEFAULT_CONCURRENCY = 2;

/** Whose objects, over which connection. */
export interface ObjectLink {
	readonly transport: Transport;
	/** A node talks to the Fleet API, a ServerApp to ServerAppIo. */
	readonly service: "fleet" | "serverapp";
	readonly nodeId: bigint;
	readonly runId: bigint;
}

/** Options of a transfer. */
export interface TransferOptions extends ReadOptions {
	/** Time limit of each call. @default no limit */
	readonly timeoutMs?: number | undefined;
	/** Objects on their way at once. @default 2 */
	readonly concurrency?: number;
}

/**
 * Pushes the objects that a server asked for.
 * @returns why a zk0 server refuses the message that they are of, which ends the upload; else undefined.
 * @throws FlowerError failed-precondition when the server asks for or refuses an object, and errors of the transport.
 */
export async function pushObjects(
	link: ObjectLink,
	objectsToPush: readonly string[],
	objects: ObjectSources,
	options: TransferOptions = {},
): Promise<Refusal | undefined> {
	const { transport, nodeId, runId } = link;
	const method = link.service === "fleet" ? Fleet.method.pushObject : ServerAppIo.method.pushObject;
	let refused: Refusal | undefined;
	let notStored: string | undefined;
	await forEachConcurrently(objectsToPush, options, async (objectId, callOptions) => {
		// The server may know that a message is of no use before the last of its objects.
		if (refused !== undefined || notStored !== undefined) return;
		const source = objects.get(parseObjectId(objectId));
		if (source === undefined)
			throw new FlowerError(
				"failed-precondition",
				"The server asks for an object that is not of this message.",
				{
					objectId,
				},
			);
		const objectContent = await source.read(callOptions);
		const { stored, refusal } = await transport.unary(
			method,
			{ node: { nodeId }, runId, objectId, objectContent },
			callOptions,
		);
		refused ??= refusal;
		if (!stored) notStored ??= objectId;
	});
	// An object that was under way beside the one that was answered with the refusal is not stored either.
	if (notStored !== undefined && refused === undefined)
		throw new FlowerError("failed-precondition", "The server refused an object that it had asked for.", {
			objectId: notStored,
		});
	return refused;
}

/**
 * Pulls into `store` the objects that it lacks, waiting for those that their sender has not uploaded yet.
 * @throws FlowerError not-found when the server does not know an object, data-loss when it sends other bytes,
 * deadline-exceeded when an object does not arrive in the policy's time, and errors of transport and store.
 */
export async function pullObjects(
	link: ObjectLink,
	ids: readonly ObjectId[],
	store: ObjectStore,
	options: TransferOptions & { readonly retry: RetryPolicy },
): Promise<void> {
	await forEachConcurrently(ids, options, async (id, callOptions) => {
		if (await store.has(id)) return;
		const bytes = await retryUntil(options.retry, () => pullObject(link, id, callOptions), {
			signal: callOptions.signal,
			waitingFor: `object ${id} was announced and never uploaded`,
		});
		await keepPulled(store, id, bytes, callOptions);
	});
}

/** Keeps what a server sent. @throws FlowerError data-loss when it is not the object's bytes */
export async function keepPulled(
	store: ObjectStore,
	id: ObjectId,
	bytes: Uint8Array,
	options: ReadOptions,
): Promise<void> {
	try {
		await store.write(id, bytes, options);
	} catch (cause) {
		if (!(cause instanceof FlowerError) || cause.code !== "invalid-argument") throw cause;
		throw new FlowerError("data-loss", "The server sent other bytes than the object's.", {
			objectId: id,
			cause,
		});
	}
}

/** The object's bytes, or undefined while they are not there yet. */
async function pullObject(
	{ transport, service, nodeId, runId }: ObjectLink,
	objectId: ObjectId,
	callOptions: CallOptions,
): Promise<Uint8Array | undefined> {
	const method = service === "fleet" ? Fleet.method.pullObject : ServerAppIo.method.pullObject;
	const answer = await transport.unary(method, { node: { nodeId }, runId, objectId }, callOptions);
	if (!answer.objectFound)
		throw new FlowerError("not-found", "The server does not know the object.", { objectId });
	return answer.objectAvailable ? answer.objectContent : undefined;
}

/** Runs `work` for each item, a few at once; the first failure stops the rest and is thrown after all have ended. */
async function forEachConcurrently<T>(
	items: readonly T[],
	{ signal, timeoutMs, concurrency = DEFAULT_CONCURRENCY }: TransferOptions,
	work: (item: T, options: CallOptions) => Promise<void>,
): Promise<void> {
	const stop = new AbortController();
	const relay = (): void => stop.abort(signal?.reason);
	if (signal?.aborted === true) relay();
	else signal?.addEventListener("abort", relay, { once: true });
	let next = 0;
	const worker = async (): Promise<void> => {
		while (next < items.length && !stop.signal.aborted) {
			const item = items[next++];
			if (item !== undefined) await work(item, { signal: stop.signal, timeoutMs });
		}
	};
	const failures: unknown[] = [];
	const workers = Array.from({ length: concurrency }, () =>
		worker().catch((caught: unknown) => {
			failures.push(caught);
			stop.abort(caught);
		}),
	);
	await Promise.all(workers);
	signal?.removeEventListener("abort", relay);
	if (failures.length > 0) throw failures[0];
	if (signal?.aborted === true)
		throw new FlowerError("cancelled", "Cancelled by the caller.", { cause: signal.reason });
}
