// A task's name in a trace: without one the message is the one that it always was, with one it is read back, and nonsense
// in its place ends no task.
import {
	arrayRecord,
	configRecord,
	deflateRecord,
	type FlowerMessage,
	type FlowerRecord,
	instructionMetadata,
} from "@zk0/flower";
import { expect, test } from "vitest";
import type { TaskMessage } from "./protocol.ts";
import { readTask, taskMessage } from "./task-message.ts";

const TASK: TaskMessage = {
	taskId: "r/1/train/a/1",
	phase: "train",
	runId: "r",
	round: 1,
	seed: 7,
	numLocalSteps: 2,
	globalStep: 0,
	totalSteps: 6,
	proximalMu: 0.5,
	clipNorm: null,
	learning: { rate: 0.1 },
	weights: "ab".repeat(32),
	createdAtMs: 1_790_000_000_000,
};
const traceparent = `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01`;

test("without a trace a task is the same message as before there were traces", async () => {
	const weights = await deflateRecord(arrayRecord([]));
	const plain = await taskMessage(TASK, 5n, weights);
	expect(plain.id).toBe("5efc563332022c8eeb24c77d8a9ab4e64c38ee4aa87dd0451cb6dd8e956a14e1");
	const traced = await taskMessage({ ...TASK, traceparent }, 5n, weights);
	expect(traced.id).not.toBe(plain.id);
	expect((await taskMessage({ ...TASK, traceparent }, 5n, weights)).id).toBe(traced.id);
});

test("a trace is read back, and what is none is as if it were not there", () => {
	const messageOf = (more: readonly (readonly [string, string | bigint])[]): FlowerMessage => ({
		metadata: instructionMetadata({
			runId: 1n,
			dstNodeId: 5n,
			messageType: "train",
			groupId: "1",
			createdAtSeconds: 1_790_000_000,
			ttlSeconds: 60,
		}),
		payload: {
			kind: "content",
			content: new Map<string, FlowerRecord>([
				["arrays", arrayRecord([])],
				[
					"config",
					configRecord([
						["server-round", 1n],
						["proximal-mu", 0.5],
						["run", "r"],
						["seed", 7n],
						["local-steps", 2n],
						["global-step", 0n],
						["total-steps", 6n],
						["learning", '{"rate":0.1}'],
						["weights-sha256", "ab".repeat(32)],
						...more,
					]),
				],
			]),
		},
	});
	const sent = Object.fromEntries(
		Object.entries(TASK).filter(([name]) => name !== "taskId" && name !== "createdAtMs"),
	);
	expect(readTask(messageOf([["traceparent", traceparent]])).task).toEqual({ ...sent, traceparent });
	for (const more of [[], [["traceparent", 3n]], [["traceparent", "x".repeat(101)]]] as const)
		expect(readTask(messageOf(more)).task).toEqual(sent);
});
