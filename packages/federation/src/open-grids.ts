// The grids of all open runs, asked as one: a call of a node goes to the first run that knows what it is about.
import type { Message, ObjectId, ObjectTree } from "@zk0/flower";
import { isRunOf, type RunApp } from "./flower-nodes.ts";
import type { Outcome, TaskRef } from "./grid.ts";
import type { Member } from "./members.ts";
import type { Announced, Taken } from "./reply-intake.ts";
import type { RunGrid } from "./run-grid.ts";
import type { Instruction } from "./task-table.ts";

/** The open runs of a server. */
export interface OpenGrids extends AsyncDisposable {
	/** The same grid, which leaves when it is disposed. */
	add(grid: RunGrid): RunGrid;
	/** Tells every run. */
	tell(outcome: Outcome): void;
	/** The open task of a message, and its run. */
	taskOf(instructionId: string): { readonly task: TaskRef; readonly grid: RunGrid } | undefined;
	/** The site's oldest unanswered task. */
	nextTask(site: string): Promise<Instruction | undefined>;
	/** Those of the tasks that no run waits for. Unknown ones may be of a run that has not begun in this process yet. */
	unwanted(instructionIds: readonly string[]): string[];
	/** The bytes of an object that an open task of the site needs. */
	readObject(site: string, id: ObjectId, signal: AbortSignal): Promise<Uint8Array | undefined>;
	/** The app of a run, by the number that its messages carry; undefined for runs without one. */
	appOf(run: bigint): RunApp | undefined;
	/** Undefined: the run has not begun here yet. */
	announce(member: Member, message: Message, tree: ObjectTree): Promise<Announced | undefined>;
	/** Undefined: the object belongs to no reply of the member. */
	put(member: Member, id: ObjectId, bytes: Uint8Array, signal: AbortSignal): Promise<Taken | undefined>;
}

/** Tasks of runs that are over that are remembered. */
const MAX_OVER = 10_000;

/** No open runs yet. `mayBegin`: whether the run with this number may still be opened by this process. */
export function createOpenGrids(mayBegin: (run: bigint) => boolean): OpenGrids {
	const grids = new Set<RunGrid>();
	const first = async <T>(ask: (grid: RunGrid) => Promise<T | undefined>): Promise<T | undefined> => {
		for (const grid of grids) {
			const answer = await ask(grid);
			if (answer !== undefined) return answer;
		}
		return undefined;
	};
	const haveBegun = (): boolean => grids.size > 0 && [...grids].every(({ hasBegun }) => hasBegun);
	/** Messages of runs that are over. */
	const over = new Set<string>();
	const taskOf: OpenGrids["taskOf"] = (instructionId) => {
		for (const grid of grids) {
			const task = grid.taskOf(instructionId);
			if (task !== undefined) return { task, grid };
		}
		return undefined;
	};
	return {
		add(grid) {
			grids.add(grid);
			const dispose = grid[Symbol.asyncDispose].bind(grid);
			grid[Symbol.asyncDispose] = async () => {
				grids.delete(grid);
				for (const id of grid.messageIds()) over.add(id);
				for (const id of over) if (over.size > MAX_OVER) over.delete(id);
				await dispose();
			};
			return grid;
		},
		tell(outcome) {
			for (const grid of grids) grid.tell(outcome);
		},
		taskOf,
		nextTask: (site) => first((grid) => grid.nextTask(site)),
		unwanted(instructionIds) {
			const isClosed = (id: string): boolean =>
				over.has(id) || [...grids].some((grid) => grid.messageIds().includes(id));
			return instructionIds.filter((id) => taskOf(id) === undefined && (haveBegun() || isClosed(id)));
		},
		appOf: (run) => Array.from(grids, ({ app }) => app).find((app) => isRunOf(app, run)),
		readObject: (site, id, signal) => first((grid) => grid.readObject(site, id, signal)),
		async announce(member, message, tree) {
			const answer = await first((grid) => grid.announce(member, message, tree));
			if (answer !== undefined) return answer;
			const isOver: Announced = { kind: "refused", refusal: { code: "late", reason: "the run is over" } };
			if (over.has(message.metadata?.replyToMessageId ?? "")) return isOver;
			const [any] = grids;
			if (haveBegun()) return await any?.refuse(member, message, tree);
			// A run that has not begun in this process may be the one that is meant.
			return mayBegin(message.metadata?.runId ?? 0n) ? undefined : isOver;
		},
		put: (member, id, bytes, signal) => first((grid) => grid.put(member, id, bytes, signal)),
		async [Symbol.asyncDispose]() {
			for (const grid of grids) await grid[Symbol.asyncDispose]();
		},
	};
}
