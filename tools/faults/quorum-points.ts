// Kills of the server while quorum and deadline are open and a site is not heard of. What was decided before the kill stays
// decided; an update that comes after it is kept and named.
import type { RoundEvent } from "@zk0/federation";
import type { Death } from "../toy-federation/settings.ts";
import type { FaultPoint, Measured } from "./point.ts";
import type { Stage } from "./stage.ts";

/** Less than the 10 s after which a suspended site is offline, so that it is the deadline that decides. */
const RULES = { roundDeadlineMs: 8000 };
const TRAIN_MS = 4000;

/** The site that is suspended in the training of round 1. */
const STRAGGLER = "bob";

function lateIsNamed(events: readonly RoundEvent[]): string | null {
	const isNamed = events.some(
		(event) => event.kind === "update.late" && event.site === STRAGGLER && event.round === 1,
	);
	return isNamed ? null : "the late update of round 1 is not named";
}

/** Suspends the straggler, lets `strike` do its fault, and starts the server again. */
async function whileSuspended(
	stage: Stage,
	strike: (wake: () => void) => Promise<unknown>,
	afterRestart: (wake: () => void) => Promise<unknown> = async () => undefined,
): Promise<Measured> {
	const { child } = stage.client(STRAGGLER);
	const wake = (): void => void child.kill("SIGCONT");
	// Its time runs while it is suspended. Before, it would begin after the restart, and give up for the task of round 2.
	await stage.heard(STRAGGLER, "training", "1");
	child.kill("SIGSTOP");
	await strike(wake);
	const startMs = performance.now();
	await stage.restartServer(RULES);
	const back = stage.recorded((event) => event.kind === "site.joined", "a site to be back");
	await afterRestart(wake);
	return { recoveryMs: (await back) - startMs };
}

function atDecision(
	what: string,
	moment: Extract<Death, { at: "append" }>["moment"],
	kind: FaultPoint["kind"],
): FaultPoint {
	const death: Death = { at: "append", event: "round.closed", nth: 1, moment };
	return {
		group: "quorum and deadline",
		what,
		kind,
		stage: { minUpdates: 2, trainMs: TRAIN_MS, server: { ...RULES, death } },
		...(kind === "removing" ? { needs: lateIsNamed } : {}),
		make: (stage) =>
			whileSuspended(stage, async (wake) => {
				const endedAs = await stage.server.ended;
				if (endedAs !== "SIGKILL") throw new RangeError(`the server ended with ${endedAs}`);
				wake();
			}),
	};
}

/** Faults while the operator's rules are open. */
export const QUORUM_POINTS: readonly FaultPoint[] = [
	atDecision(
		"server killed before it records that it goes on without a site, which comes back: the site is in",
		"before",
		"transient",
	),
	atDecision(
		"server killed after it has recorded that, before the accepted set: the site's update is kept and named",
		"durable",
		"removing",
	),
	{
		group: "quorum and deadline",
		what: "server killed while the deadline runs, a site away; it comes back when the round is closed",
		kind: "removing",
		stage: { minUpdates: 2, trainMs: TRAIN_MS, server: RULES },
		needs: lateIsNamed,
		make: (stage) =>
			whileSuspended(
				stage,
				async () => {
					await stage.recorded(({ kind }) => kind === "update.received", "the first update");
					await stage.server.kill("SIGKILL");
				},
				async (wake) => {
					await stage.recorded(({ kind }) => kind === "round.closed", "the end of the round");
					wake();
				},
			),
	},
];
