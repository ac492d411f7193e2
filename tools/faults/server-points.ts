// Faults of the server's process.

import type { ToyModel } from "../toy-federation/federation.ts";
import type { Death } from "../toy-federation/settings.ts";
import type { FaultPoint, Measured } from "./point.ts";
import { LARGE, SITES, type Stage, THREADED } from "./stage.ts";

/** Starts the server again and waits until every site is back. */
export async function restartServer(stage: Stage): Promise<Measured> {
	const startMs = performance.now();
	await stage.restartServer();
	const joined = SITES.map((site) =>
		stage.recorded((event) => event.kind === "site.joined" && event.site === site, `${site} to be back`),
	);
	return { recoveryMs: Math.max(...(await Promise.all(joined))) - startMs };
}

/** The server dies at a place of its own file operations and is started again. */
function dies(what: string, death: Death, isLarge = false): FaultPoint {
	return {
		group: "server killed",
		what,
		kind: "transient",
		stage: { server: { death }, ...(isLarge ? { model: LARGE } : {}) },
		make: async (stage) => {
			const endedAs = await stage.server.ended;
			if (endedAs !== "SIGKILL") throw new RangeError(`the server ended with ${endedAs}`);
			return await restartServer(stage);
		},
	};
}

const EVENTS: readonly (readonly [event: string, nth: number, what: string])[] = [
	["run.started", 1, "the run's start"],
	["site.joined", 2, "the second site's coming"],
	["site.evaluated", 1, "the first evaluation"],
	["round.evaluated", 1, "the end of an evaluation"],
	["round.started", 1, "a round's start"],
	["task.sent", 4, "tasks being sent"],
	["update.received", 2, "the second update"],
	["round.accepted", 1, "the accepted set"],
	["round.aggregated", 1, "the new weights"],
	["run.completed", 1, "the run's end"],
];

function* atEvents(): Generator<FaultPoint> {
	for (const [event, nth, what] of EVENTS) {
		yield dies(`before ${what} is recorded`, { at: "append", event, nth, moment: "before" });
		if (event === "run.completed") continue;
		yield dies(`after ${what} is recorded`, { at: "append", event, nth, moment: "durable" });
	}
}

/** SIGKILL from outside at a moment that the networks or the log tell. */
function killed(
	what: string,
	moment: (stage: Stage) => Promise<unknown>,
	model: ToyModel = LARGE,
): FaultPoint {
	return {
		group: "server killed",
		what,
		kind: "transient",
		stage: { model },
		make: async (stage) => {
			await moment(stage);
			await stage.server.kill("SIGKILL");
			return await restartServer(stage);
		},
	};
}

/** Resolves when so many bytes have passed. */
export function bytesPassed(
	stage: Stage,
	site: string,
	direction: "up" | "down",
	numBytes: number,
): Promise<void> {
	return new Promise((resolve) => stage.network(site).onceAt(direction, numBytes, resolve));
}

/** Faults of the server. */
export const SERVER_POINTS: readonly FaultPoint[] = [
	...atEvents(),
	dies("in the middle of the line of an update (torn line)", {
		at: "append",
		event: "update.received",
		nth: 1,
		moment: "half",
	}),
	dies("in the middle of the line of the accepted set (torn line)", {
		at: "append",
		event: "round.accepted",
		nth: 2,
		moment: "half",
	}),
	dies("after the line of an update is written, before it is synced", {
		at: "append",
		event: "update.received",
		nth: 3,
		moment: "written",
	}),
	dies("while an update is written to its file", {
		at: "file",
		call: "write",
		path: "incoming",
		nth: 4,
		moment: "after",
	}),
	dies("before an update is moved to its place", {
		at: "file",
		call: "rename",
		path: "objects",
		nth: 2,
		moment: "before",
	}),
	dies("after an update is moved to its place, before it is recorded", {
		at: "file",
		call: "rename",
		path: "objects",
		nth: 3,
		moment: "after",
	}),
	dies("before the new weights are moved to their place", {
		at: "file",
		call: "rename",
		path: "objects",
		nth: 5,
		moment: "before",
	}),
	dies("after the new weights are moved to their place, before they are recorded", {
		at: "file",
		call: "rename",
		path: "objects",
		nth: 5,
		moment: "after",
	}),
	dies("while it deletes the updates of a finished round", {
		at: "file",
		call: "rm",
		path: "objects",
		nth: 1,
		moment: "before",
	}),
	killed(
		"while it sums updates (31 MB each, in worker threads)",
		(stage) => stage.recorded(({ kind }) => kind === "round.accepted", "the accepted set"),
		THREADED,
	),
	killed("while a site pulls the weights", (stage) => bytesPassed(stage, "bob", "down", 12e6)),
	killed("while sites upload (half of an update is there)", (stage) => bytesPassed(stage, "bob", "up", 9e6)),
	{
		group: "server killed",
		what: "twice, the second time while it recovers",
		kind: "transient",
		stage: { model: LARGE },
		make: async (stage) => {
			await bytesPassed(stage, "ann", "up", 12e6);
			await stage.server.kill("SIGKILL");
			await stage.restartServer({ death: { at: "append", event: "run.resumed", nth: 1, moment: "half" } });
			await stage.server.ended;
			return await restartServer(stage);
		},
	},
	{
		group: "server stopped",
		what: "suspended (SIGSTOP) for 13 s in training",
		kind: "transient",
		stage: { trainMs: 1000 },
		make: async (stage) => {
			await stage.heard("ann", "task", "train 1");
			stage.server.child.kill("SIGSTOP");
			await pause(13_000);
			const startMs = performance.now();
			stage.server.child.kill("SIGCONT");
			const backMs = await stage.recorded(({ kind }) => kind === "round.accepted", "the round's updates");
			return { recoveryMs: backMs - startMs, note: "recovery: all updates of the round are in" };
		},
	},
];

/** Waits. */
export function pause(durationMs: number): Promise<void> {
	return new Promise((resolve) => {
		setTimeout(resolve, durationMs);
	});
}
