import { describe, expect, test } from "vitest";
import { SimError } from "./errors.ts";
import { CUBE_COLOURS, DEMO_SITES, findTask, TASKS, tasksOf } from "./tasks.ts";

describe("TASKS", () => {
	test("ids and sentences are unique", () => {
		expect(new Set(TASKS.map((task) => task.id)).size).toBe(TASKS.length);
		expect(new Set(TASKS.map((task) => task.sentence)).size).toBe(TASKS.length);
	});

	test("reads like the sentences of a demonstration", () => {
		expect(findTask("reach-red").sentence).toBe("Reach the red cube");
		expect(findTask("push-blue-left").sentence).toBe("Push the blue cube to the left");
		expect(findTask("push-yellow-forward").sentence).toBe("Push the yellow cube forward");
		expect(findTask("above-green").sentence).toBe("Move above the green target");
		expect(findTask("lift-purple").sentence).toBe("Lift the purple cube");
		expect(findTask("place-red-on-green").sentence).toBe("Put the red cube on the green target");
	});

	test("pretraining never shows a demonstration's sentence but knows all its words", () => {
		const demo = tasksOf("demo");
		const pretrain = tasksOf("pretrain");
		expect(demo.length + pretrain.length).toBe(TASKS.length);
		const words = new Set(pretrain.flatMap((task) => task.sentence.split(" ")));
		for (const task of demo) {
			expect(pretrain.map((other) => other.sentence)).not.toContain(task.sentence);
			for (const word of task.sentence.split(" ")) expect(words).toContain(word);
		}
	});

	test("pretraining covers every kind and cube colour", () => {
		const pretrain = tasksOf("pretrain");
		expect(new Set(pretrain.map((task) => task.goal.kind)).size).toBe(5);
		const named = new Set(pretrain.map((task) => ("cube" in task.goal ? task.goal.cube : undefined)));
		for (const colour of CUBE_COLOURS) expect(named).toContain(colour);
	});

	test("the four sites use demonstration tasks only, two sentences each", () => {
		expect(DEMO_SITES).toHaveLength(4);
		for (const site of DEMO_SITES) {
			expect(site.taskIds).toHaveLength(2);
			for (const id of site.taskIds) expect(findTask(id).split).toBe("demo");
		}
	});
});

describe("findTask", () => {
	test("an unknown id suggests the nearest", () => {
		expect(() => findTask("reach-rad")).toThrow(SimError);
		expect(() => findTask("reach-rad")).toThrow(/did you mean "reach-red"/);
	});
});
