// The bookkeeping around the video processes, without the processes.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createFrameCache } from "../frame-cache.ts";
import { fillPath } from "../info.ts";
import { createRecordParser, encodeHeader, MAX_PAYLOAD_BYTES, type RecordHeader } from "./decode-protocol.ts";
import { cutRuns, type PendingFrame, takeRun } from "./frame-queue.ts";
import { createFrameSlots, MAX_RUN_FRAMES, writeSlot } from "./frame-slots.ts";

test("records come out whole however the pipe cuts them", () => {
	const record = fc.tuple(fc.nat(3), fc.nat(1000), fc.uint8Array({ maxLength: 50 }));
	fc.assert(
		fc.property(
			fc.array(record, { maxLength: 10 }),
			fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }),
			(records, cuts) => {
				const headers = records.map(
					([kind, runId, payload]): RecordHeader => ({
						kind,
						runId,
						position: 1,
						height: 2,
						width: 3,
						payloadBytes: payload.length,
					}),
				);
				const stream = Buffer.concat(
					records.flatMap(([, , payload], at) => [encodeHeader(headers[at] ?? emptyHeader), payload]),
				);
				const received: [RecordHeader, number[]][] = [];
				const parse = createRecordParser((header, payload) => received.push([header, [...payload]]));
				for (let at = 0, cut = 0; at < stream.length; cut++) {
					const size = cuts[cut % cuts.length] ?? 1;
					parse(stream.subarray(at, at + size));
					at += size;
				}
				expect(received).toEqual(records.map(([, , payload], at) => [headers[at], [...payload]]));
			},
		),
	);
});

const emptyHeader: RecordHeader = { kind: 0, runId: 0, position: 0, height: 0, width: 0, payloadBytes: 0 };

test("a stream out of step is noticed before it asks for memory", () => {
	const parse = createRecordParser(() => undefined);
	expect(() => parse(encodeHeader({ ...emptyHeader, payloadBytes: MAX_PAYLOAD_BYTES + 1 }))).toThrow(
		RangeError,
	);
});

function pendingFrame(path: string, place: number): PendingFrame {
	return {
		path,
		column: null,
		place,
		episodeIndex: 0,
		frameIndex: 0,
		camera: "c",
		crashes: 0,
		settle: () => undefined,
	};
}

test("runs hold every frame once, of one file, in order of time, short and without gaps", () => {
	const frames = fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.integer({ min: 0, max: 200 })), {
		maxLength: 120,
	});
	fc.assert(
		fc.property(frames, (places) => {
			const pending = places.map(([path, at]) => pendingFrame(path, at / 30));
			const runs = cutRuns(pending);
			expect(new Set(runs.flat())).toEqual(new Set(pending));
			expect(runs.flat()).toHaveLength(pending.length);
			for (const run of runs) {
				expect(run.length).toBeLessThanOrEqual(MAX_RUN_FRAMES);
				expect(new Set(run.map(({ path }) => path)).size).toBe(1);
				const steps = run.slice(1).map((frame, at) => frame.place - (run[at]?.place ?? 0));
				expect(steps.every((step) => step >= 0 && step <= 0.25)).toBe(true);
			}
		}),
	);
});

test("a process goes on with its file when it can", () => {
	const queue = cutRuns([pendingFrame("a", 0), pendingFrame("b", 0), pendingFrame("b", 9)]);
	expect(takeRun(queue, "b")?.[0]).toMatchObject({ path: "b", place: 0 });
	expect(takeRun(queue, "z")?.[0]).toMatchObject({ path: "a" });
	expect(takeRun(queue, null)?.[0]).toMatchObject({ path: "b", place: 9 });
	expect(takeRun(queue, null)).toBeUndefined();
});

test("slots keep frames apart; what was never written is an error", () => {
	using slots = createFrameSlots();
	for (const half of [0, 1]) writeSlot(slots.fd, half, 3, new Uint8Array(1000).fill(half + 1));
	expect(slots.read(0, 3, 1000)).toEqual(new Uint8Array(1000).fill(1));
	expect(slots.read(1, 3, 1000)).toEqual(new Uint8Array(1000).fill(2));
	expect(() => slots.read(1, 4, 10)).toThrow(RangeError);
});

describe("frame cache", () => {
	const image = (bytes: number): { height: number; width: number; rgb: Uint8Array } => ({
		height: 1,
		width: bytes / 3,
		rgb: new Uint8Array(bytes),
	});

	test("keeps what was used last, within its budget", () => {
		const cache = createFrameCache(100);
		for (const key of ["a", "b", "c"]) cache.set(key, image(30));
		cache.get("a");
		cache.set("d", image(30));
		expect(["a", "b", "c", "d"].map((key) => cache.get(key) !== undefined)).toEqual([
			true,
			false,
			true,
			true,
		]);
		cache.set("a", image(60));
		expect(cache.sizeBytes).toBeLessThanOrEqual(100);
		cache.set("huge", image(300));
		expect(cache.get("huge")).toBeUndefined();
	});
});

test("path templates", () => {
	const template = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4";
	expect(fillPath(template, { video_key: "top", chunk_index: 2, file_index: 1000 })).toBe(
		"videos/top/chunk-002/file-1000.mp4",
	);
	expect(fillPath("{unknown}/{episode_index:06d}", { episode_index: 7 })).toBe("{unknown}/000007");
});
