import { toFloat32 } from "@zk0/arrays";
import { describe, expect, test } from "vitest";
import { tinyFrame, tinyPolicy } from "../testing/tiny-model.ts";
import { prepareBatch, prepareObservations } from "./batch.ts";
import { FEED } from "./feeds.ts";
import type { Frame } from "./frame.ts";
import { timeEmbedding } from "./time-embedding.ts";

const tiny = tinyPolicy();
const context = tiny.context(2);
const frames = [tinyFrame(0), tinyFrame(1)];

describe("prepareBatch", () => {
	const feeds = prepareBatch(frames, context);
	const values = (name: string): number[] => {
		const feed = feeds.get(name);
		if (feed === undefined) throw new RangeError(`no feed ${name}`);
		return [...toFloat32(feed)];
	};

	test("normalises and pads the state", () => {
		const raw = frames[0]?.state ?? [];
		const state = values(FEED.state);
		expect(state[0]).toBeCloseTo(((raw[0] ?? 0) - 1) / 2, 6);
		expect(state[3]).toBe(0);
		expect(state).toHaveLength(8);
	});

	test("mixes actions and noise by time; padded dimensions carry noise only", () => {
		const t = context.time[1] ?? 0;
		const place = (sample: number, step: number, dim: number): number => (sample * 4 + step) * 5 + dim;
		const raw = frames[1]?.actions?.[3 * 2 + 1] ?? 0;
		const action = (raw - 2) / 2;
		const noise = context.noise[place(1, 2, 1)] ?? 0;
		expect(values(FEED.noisyActions)[place(1, 2, 1)]).toBeCloseTo(t * noise + (1 - t) * action, 5);
		expect(values(FEED.velocity)[place(1, 2, 1)]).toBeCloseTo(noise - action, 5);
		const unused = context.noise[place(1, 2, 4)] ?? 0;
		expect(values(FEED.noisyActions)[place(1, 2, 4)]).toBeCloseTo(t * unused, 6);
	});

	test("places state and actions after the valid prefix tokens", () => {
		const numLanguage = context.tokenizer.encode(`${frames[1]?.task}\n`).ids.length;
		const numValid = 2 * 4 + Math.min(6, numLanguage);
		expect(values(FEED.statePositions)[1]).toBe(numValid);
		expect(values(FEED.suffixPositions).slice(4)).toEqual([1, 2, 3, 4].map((step) => numValid + step));
	});

	test("marks the actions beyond the episode", () => {
		const padded = { ...tinyFrame(0), actionIsPad: Uint8Array.of(0, 0, 1, 1) };
		const valid = prepareBatch([padded], tiny.context(1)).get(FEED.valid);
		expect(valid?.data).toEqual(Float32Array.of(1, 1, 0, 0));
	});
});

describe("frames that are refused", () => {
	const good = tinyFrame(0);
	const { actions: _actions, ...noActions } = good;
	const rows: [string, Frame, RegExp][] = [
		[
			"a state of another length",
			{ ...good, state: new Float32Array(4) },
			/bad-frame: observation\.state has 4/,
		],
		[
			"a NaN in the state",
			{ ...good, state: Float32Array.of(0, Number.NaN, 0) },
			/number 1 of the batch is NaN/,
		],
		[
			"actions of another length",
			{ ...good, actions: new Float32Array(11) },
			/action has 11 numbers, it needs 12/,
		],
		[
			"an infinite action",
			{ ...good, actions: new Float32Array(12).fill(Number.POSITIVE_INFINITY) },
			/bad-frame/,
		],
		["no actions", noActions, /no recorded actions/],
		[
			"no camera of the policy",
			{ ...good, images: new Map([["other", good.images.values().next().value]]) } as Frame,
			/no-camera.*has other/,
		],
		["a pad mask of another length", { ...good, actionIsPad: new Uint8Array(3) }, /action_is_pad/],
	];
	test.each(rows)("%s", (_, frame, message) => {
		expect(() => prepareBatch([frame], tiny.context(1))).toThrow(message);
	});

	test("none at all, and noise or times of another batch", () => {
		expect(() => prepareObservations([], context)).toThrow(/no frames/);
		expect(() => prepareBatch([good], context)).toThrow(/time has 2/);
		expect(() => prepareBatch(frames, { ...context, noise: new Float32Array(3) })).toThrow(/noise has 3/);
	});

	test("without statistics", () => {
		expect(() => prepareObservations(frames, { ...context, stats: {} })).toThrow(
			/missing-stats.*zk0 model bind/,
		);
	});
});

describe("timeEmbedding", () => {
	test("is sines then cosines of the time over periods from the shortest to the longest", () => {
		const [time] = Float32Array.of(0.3);
		const embedded = timeEmbedding(Float32Array.of(time ?? 0), { width: 4, minPeriod: 0.5, maxPeriod: 4 });
		const angles = [0.5, 4].map((period) => ((time ?? 0) * 2 * Math.PI) / period);
		const expected = [...angles.map(Math.sin), ...angles.map(Math.cos)];
		embedded.forEach((value, index) => {
			expect(value).toBeCloseTo(expected[index] ?? Number.NaN, 6);
		});
	});
});
