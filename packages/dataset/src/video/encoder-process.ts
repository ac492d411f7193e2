// The writer's side of the encoder process: frames go out with bounded memory in flight, replies come back in
// order. Any failure of the process becomes one DatasetError that every later call repeats.
import { type Deferred, deferred } from "../deferred.ts";
import { DatasetError } from "../errors.ts";
import { sendToChild, startVideoChild, type VideoChild } from "./child-entry.ts";
import type { CutProbe, CutSpec, EncodeReply, EncodeSetup, EpisodeVideo } from "./encode-protocol.ts";

/** Bytes of frames that may wait in the encoder's queue: bounds memory, still lets recording run ahead. */
const MAX_IN_FLIGHT_BYTES = 32 << 20;

/** An encoder process for all cameras of one dataset. */
export interface EncoderProcess extends AsyncDisposable {
	/** Its process id; undefined when it has none (any more). */
	readonly pid: number | undefined;
	/** Starts an episode; frames follow for the cameras (by number) whose cut is null, the others are copied. */
	begin(numFrames: number, cuts: readonly (CutSpec | null)[]): void;
	/** Hands over one frame of camera number `camera`; `rgb` may be reused at once. Waits while too much is queued. */
	frame(camera: number, rgb: Uint8Array): Promise<void>;
	/** Resolves when the episode's frames are in their files; several episodes may be under way. */
	end(): Promise<readonly EpisodeVideo[]>;
	/** Finalises all files. */
	finish(): Promise<void>;
}

/** Starts the process. Failures surface from the calls as DatasetError "encoder-failed". */
export function startEncoder(setup: EncodeSetup): EncoderProcess {
	let inFlightBytes = 0;
	let failure: DatasetError | null = null;
	let closing = false;
	let isFinished = false;
	const episodes: Deferred<readonly EpisodeVideo[]>[] = [];
	let room = deferred<undefined>();
	const finished = deferred<undefined>();
	finished.promise.catch(() => undefined);

	const fail = (error: DatasetError): void => {
		failure ??= error;
		for (const episode of episodes.splice(0)) episode.reject(failure);
		finished.reject(failure);
		room.resolve(undefined);
	};
	const onReply = (reply: EncodeReply): void => {
		switch (reply.kind) {
			case "consumed":
				inFlightBytes -= reply.sizeBytes;
				room.resolve(undefined);
				room = deferred();
				return;
			case "probed":
				throw new TypeError("encoder process: a probe was answered that nobody sent");
			case "episode":
				episodes.shift()?.resolve(reply.videos);
				return;
			case "finished":
				isFinished = true;
				finished.resolve(undefined);
				return;
			case "failed":
				fail(
					new DatasetError("encoder-failed", `encoding ${reply.file} failed: ${reply.message}`, {
						file: setup.root,
					}),
				);
		}
	};
	// as: the only sender is encode-child.ts of this package, which sends EncodeReply.
	const child: VideoChild = startVideoChild("encode-child", (message) => onReply(message as EncodeReply));
	void child.exit.then((how) => {
		if (!closing) {
			fail(
				new DatasetError(
					"encoder-failed",
					`the video encoder process for ${setup.root} ended (${how}); record again, with another codec if it repeats`,
					{ file: setup.root },
				),
			);
		}
	});
	const queueIsFull = (): boolean => inFlightBytes > MAX_IN_FLIGHT_BYTES && failure === null && !closing;
	const ensure = (): void => {
		if (failure !== null) throw failure;
		if (closing) throw new TypeError("the encoder process was disposed");
	};
	sendToChild(child, setup);
	return {
		get pid() {
			return closing || failure !== null ? undefined : child.process.pid;
		},
		begin(numFrames, cuts) {
			ensure();
			// as: plain data; the interface lacks the index signature that Serializable asks for.
			sendToChild(child, { kind: "begin", numFrames, cuts: cuts.map((cut) => cut && { ...cut }) });
		},
		async frame(camera, rgb) {
			ensure();
			inFlightBytes += rgb.byteLength;
			sendToChild(child, { kind: "frame", camera, rgb });
			while (queueIsFull()) await room.promise;
			ensure();
		},
		end() {
			ensure();
			const episode = deferred<readonly EpisodeVideo[]>();
			episode.promise.catch(() => undefined);
			episodes.push(episode);
			sendToChild(child, { kind: "end" });
			return episode.promise;
		},
		finish() {
			ensure();
			sendToChild(child, { kind: "finish" });
			return finished.promise;
		},
		async [Symbol.asyncDispose]() {
			closing = true;
			room.resolve(undefined);
			await (isFinished ? child.close() : child.kill());
		},
	};
}

/**
 * What stretches of video are and whether they can be copied, found out in a process of its own.
 * @throws DatasetError "encoder-failed" when that process ends; the signal's reason.
 */
export async function probeVideoCuts(
	cuts: readonly CutSpec[],
	{ signal }: { signal?: AbortSignal } = {},
): Promise<readonly CutProbe[]> {
	signal?.throwIfAborted();
	if (cuts.length === 0) return [];
	const answer = deferred<readonly CutProbe[]>();
	const child = startVideoChild("encode-child", (message) => {
		// as: the only sender is encode-child.ts of this package, which sends EncodeReply.
		const reply = message as EncodeReply;
		if (reply.kind === "probed") answer.resolve(reply.probes);
		if (reply.kind === "failed") answer.reject(new DatasetError("encoder-failed", reply.message));
	});
	void child.exit.then((how) => {
		const files = [...new Set(cuts.map(({ path }) => path))];
		answer.reject(
			new DatasetError(
				"encoder-failed",
				`the process that reads ${files.length === 1 ? files[0] : `${files.length} videos, ${files[0]} first`}, ended (${how}); download the dataset again`,
			),
		);
	});
	const onAbort = (): void => answer.reject(signal?.reason);
	signal?.addEventListener("abort", onAbort, { once: true });
	try {
		sendToChild(child, { kind: "probe", cuts: cuts.map((cut) => ({ ...cut })) });
		return await answer.promise;
	} finally {
		signal?.removeEventListener("abort", onAbort);
		await child.kill();
	}
}
