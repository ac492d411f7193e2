// The tasks: what is asked for, in which words. Every task names a coloured cube or target among others, so the
// sentence says which thing and the picture says where it lies. Demonstration sites use tasks that pretraining
// never shows; their words and kinds of motion do occur there in other combinations.
import { didYouMean } from "@zk0/arrays";
import { SimError } from "./errors.ts";

/** Colours of cubes. */
export const CUBE_COLOURS = ["red", "blue", "green", "yellow", "purple", "orange"] as const;
/** A colour of a cube. */
export type CubeColour = (typeof CUBE_COLOURS)[number];

/** Colours of target zones (round, flat). */
export const ZONE_COLOURS = ["green", "blue", "red", "yellow"] as const;
/** A colour of a target zone. */
export type ZoneColour = (typeof ZONE_COLOURS)[number];

/** Push directions as the robot sees them: left is +y, forward is +x, away from the base. */
export const DIRECTIONS = ["left", "right", "forward"] as const;
/** A push direction. */
export type Direction = (typeof DIRECTIONS)[number];

/** Unit vector (x, y) of each push direction. */
export const DIRECTION_VECTORS: Readonly<Record<Direction, readonly [number, number]>> = {
	left: [0, 1],
	right: [0, -1],
	forward: [1, 0],
};

/** What the arm has to do. */
export type TaskGoal =
	| { readonly kind: "reach"; readonly cube: CubeColour }
	| { readonly kind: "push"; readonly cube: CubeColour; readonly direction: Direction }
	| { readonly kind: "above"; readonly zone: ZoneColour }
	| { readonly kind: "lift"; readonly cube: CubeColour }
	| { readonly kind: "place"; readonly cube: CubeColour; readonly zone: ZoneColour };

/** One task: its id (as in `sim:<id>`), its sentence, its goal, and which recordings use it. */
export interface Task {
	readonly id: string;
	readonly sentence: string;
	readonly goal: TaskGoal;
	readonly split: "pretrain" | "demo";
}

/** One site of the demonstration: its tasks and the look of its workplace. */
export interface DemoSite {
	readonly name: string;
	readonly taskIds: readonly string[];
	readonly domain: string;
}

/** The four sites of the demonstration; every site has two sentences for the same kind of scene. */
export const DEMO_SITES: readonly DemoSite[] = [
	{ name: "site-a", taskIds: ["reach-red", "reach-blue"], domain: "site-a" },
	{ name: "site-b", taskIds: ["push-blue-left", "push-blue-right"], domain: "site-b" },
	{ name: "site-c", taskIds: ["above-green", "above-blue"], domain: "site-c" },
	{ name: "site-d", taskIds: ["push-green-forward", "push-yellow-forward"], domain: "site-d" },
];

const OTHER_DEMO_TASKS = ["lift-red", "place-red-on-green"];

/** Every task. */
export const TASKS: readonly Task[] = allGoals().map((goal) => {
	const id = taskId(goal);
	const isDemo = OTHER_DEMO_TASKS.includes(id) || DEMO_SITES.some((site) => site.taskIds.includes(id));
	return { id, sentence: sentenceOf(goal), goal, split: isDemo ? "demo" : "pretrain" };
});

/** Tasks of one split. */
export function tasksOf(split: Task["split"]): Task[] {
	return TASKS.filter((task) => task.split === split);
}

/**
 * The task with this id.
 * @throws SimError `unknown-task`, naming the nearest valid id and how to list all.
 */
export function findTask(id: string): Task {
	const task = TASKS.find((candidate) => candidate.id === id);
	if (task !== undefined) return task;
	const ids = TASKS.map((candidate) => candidate.id);
	throw new SimError("unknown-task", `no task "${id}"${didYouMean(id, ids)} Valid tasks: ${ids.join(", ")}`);
}

function allGoals(): TaskGoal[] {
	const goals: TaskGoal[] = [];
	for (const cube of CUBE_COLOURS) goals.push({ kind: "reach", cube });
	for (const cube of CUBE_COLOURS) {
		for (const direction of DIRECTIONS) goals.push({ kind: "push", cube, direction });
	}
	for (const zone of ZONE_COLOURS) goals.push({ kind: "above", zone });
	for (const cube of CUBE_COLOURS) goals.push({ kind: "lift", cube });
	for (const cube of CUBE_COLOURS) {
		for (const zone of ZONE_COLOURS) if (zone !== cube) goals.push({ kind: "place", cube, zone });
	}
	return goals;
}

function taskId(goal: TaskGoal): string {
	switch (goal.kind) {
		case "reach":
		case "lift":
			return `${goal.kind}-${goal.cube}`;
		case "push":
			return `push-${goal.cube}-${goal.direction}`;
		case "above":
			return `above-${goal.zone}`;
		case "place":
			return `place-${goal.cube}-on-${goal.zone}`;
		default:
			return goal satisfies never;
	}
}

function sentenceOf(goal: TaskGoal): string {
	switch (goal.kind) {
		case "reach":
			return `Reach the ${goal.cube} cube`;
		case "push":
			return `Push the ${goal.cube} cube ${goal.direction === "forward" ? "forward" : `to the ${goal.direction}`}`;
		case "above":
			return `Move above the ${goal.zone} target`;
		case "lift":
			return `Lift the ${goal.cube} cube`;
		case "place":
			return `Put the ${goal.cube} cube on the ${goal.zone} target`;
		default:
			return goal satisfies never;
	}
}
