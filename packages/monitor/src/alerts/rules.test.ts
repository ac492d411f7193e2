// Each rule fires for its reason, says what to do, and stops when the reason is gone.
import { describe, expect, test } from "vitest";
import { compared, node, observation, type Script, script, update } from "../testing/sample-run.ts";
import type { AuthorityView, Observation } from "../view/observation.ts";
import { ALERT_RULES, type AlertRule } from "./alert.ts";
import { alertsOf, DEFAULT_LIMITS } from "./rules.ts";

const MINUTE_MS = 60_000;
const training = (): Script =>
	script()
		.round(1, 0.9)
		.add({ kind: "round.started", round: 2, attempt: 1, sites: ["attic"], proximalMu: 0 })
		.add({ kind: "task.sent", round: 2, phase: "train", site: "attic" });
const running = () => training().view();
const later = (ms: number, changes: Partial<Observation> = {}): Observation =>
	observation(running(), { nowMs: running().heardMs + ms, ...changes });
const offline = (site: string, awayMs: number, nowMs: number) =>
	node(site, nowMs, { isOnline: false, offlineSinceMs: nowMs - awayMs });
const rejected = (code: "not-finite" | "bad-signature" | "late"): Script =>
	training().add({
		kind: "update.rejected",
		round: 2,
		site: "attic",
		code,
		message: "no good",
		endsTask: true,
	});
const spread = (norms: readonly number[], alignment: number | null) =>
	observation(
		training()
			.add(
				compared(
					2,
					["attic", "barn", "cellar"].flatMap((site, index) => {
						const norm = norms[index];
						return norm === undefined ? [] : [{ site, norm, alignment: site === "attic" ? alignment : 0.5 }];
					}),
				),
			)
			.view(),
	);

interface Case {
	readonly rule: AlertRule;
	readonly fires: Observation;
	readonly stops: Observation;
	readonly says: RegExp;
	readonly cure: RegExp;
}

const nowMs = running().heardMs + 3 * MINUTE_MS;
const CASES: readonly Case[] = [
	{
		rule: "site-lost",
		fires: later(3 * MINUTE_MS, { nodes: [offline("barn", 3 * MINUTE_MS, nowMs)] }),
		stops: later(3 * MINUTE_MS, { nodes: [offline("barn", MINUTE_MS, nowMs)] }),
		says: /barn is offline for 3 min while run-1 runs/,
		cure: /zk0 client start.*zk0 server revoke barn/,
	},
	{
		rule: "round-stuck",
		fires: later(16 * MINUTE_MS),
		stops: later(14 * MINUTE_MS),
		says: /round 2 of run-1 stands still for 16 min: it waits for attic, online but without progress/,
		cure: /zk0 client logs/,
	},
	{
		rule: "run-failed",
		fires: observation(
			training().add({ kind: "run.failed", code: "too-few-updates", message: "none" }).view(),
		),
		stops: observation(
			training()
				.add({ kind: "run.failed", code: "too-few-updates", message: "none" })
				.add({ kind: "run.resumed", round: 2, numUpdatesKept: 0, numEvaluationsKept: 0, lostUpdates: [] })
				.view(),
		),
		says: /run-1 failed: none/,
		cure: /zk0 runs show run-1/,
	},
	{
		rule: "loss-diverging",
		fires: observation(script().round(1, 0.5).round(2, 0.8).view()),
		stops: observation(script().round(1, 0.5).round(2, 0.8).round(3, 0.6).view()),
		says: /after round 2 is 0\.800, 1\.6 times the best round's 0\.500/,
		cure: /lower learning rate/,
	},
	{
		rule: "update-not-finite",
		fires: observation(rejected("not-finite").view()),
		stops: observation(rejected("not-finite").add(update(3, "attic")).view()),
		says: /attic's update of round 2 held NaN/,
		cure: /zk0 data doctor/,
	},
	{
		rule: "update-refused",
		fires: observation(rejected("bad-signature").view()),
		stops: observation(rejected("late").view()),
		says: /refused \(bad-signature\): no good/,
		cure: /same version/,
	},
	{
		rule: "update-unusual",
		fires: spread([50, 10, 9], 0.5),
		stops: spread([30, 10, 9], 0.5),
		says: /attic's update of round 1 has norm 50\.0 where the median is 10\.0/,
		cure: /zk0 data doctor/,
	},
	{
		rule: "update-unusual",
		fires: spread([10, 10, 9], -0.5),
		stops: spread([10, 10, 9], -0.1),
		says: /points against the others' \(cosine -0\.50\)/,
		cure: /zk0 server revoke/,
	},
	{
		rule: "disk-low",
		fires: later(0, {
			machine: {
				disk: { freeBytes: 1e9, totalBytes: 1e11 },
				certificateEndsMs: null,
				numConnections: 0,
			},
		}),
		stops: later(0, {
			machine: { disk: { freeBytes: 6e9, totalBytes: 1e11 }, certificateEndsMs: null, numConnections: 0 },
		}),
		says: /1\.0 GB of 100 GB are free/,
		cure: /delete runs/,
	},
	{
		rule: "certificate-expiring",
		fires: later(0, {
			machine: {
				disk: null,
				certificateEndsMs: running().heardMs + 13 * 24 * 60 * MINUTE_MS,
				numConnections: 0,
			},
		}),
		stops: later(0, {
			machine: {
				disk: null,
				certificateEndsMs: running().heardMs + 15 * 24 * 60 * MINUTE_MS,
				numConnections: 0,
			},
		}),
		says: /ends in 13 days/,
		cure: /restart the server/,
	},
	{
		rule: "authority-ending",
		fires: withAuthority({ endsMs: 179, changesMs: null, missing: [] }),
		stops: withAuthority({ endsMs: 181, changesMs: null, missing: [] }),
		says: /ends in 179 days, and no successor/,
		cure: /rotate-ca/,
	},
	{
		rule: "authority-ending",
		fires: withAuthority({ endsMs: 9, changesMs: 6, missing: ["bob"] }),
		stops: withAuthority({ endsMs: 9, changesMs: 6, missing: [] }),
		says: /in 6 days, and bob did not hear of it/,
		cure: /new invitation/,
	},
];

/** With an authority whose times are in days from now. */
function withAuthority({ endsMs, changesMs, missing }: AuthorityView): Observation {
	const dayMs = 24 * 60 * MINUTE_MS;
	const { heardMs } = running();
	const authority = {
		endsMs: heardMs + endsMs * dayMs,
		changesMs: changesMs === null ? null : heardMs + changesMs * dayMs,
		missing,
	};
	return later(0, { machine: { disk: null, certificateEndsMs: null, numConnections: 0, authority } });
}

test.each(CASES)("$rule fires and stops", ({ rule, fires, stops, says, cure }) => {
	const found = alertsOf(fires).filter((alert) => alert.rule === rule);
	expect(found).toHaveLength(1);
	expect(found[0]?.message).toMatch(says);
	expect(found[0]?.cure).toMatch(cure);
	expect(alertsOf(stops).filter((alert) => alert.rule === rule)).toEqual([]);
});

test("no rule is without a case", () => {
	expect(ALERT_RULES.filter((rule) => !CASES.some((one) => one.rule === rule))).toEqual([]);
});

test("a healthy federation has no alerts, nor has one without a run", () => {
	expect(alertsOf(observation(running()))).toEqual([]);
	expect(alertsOf(observation(null, { nodes: [offline("barn", 1e9, 0)] }))).toEqual([]);
});

describe("a stuck round says why", () => {
	const waiting = script().add({ kind: "run.waiting", numOnline: 1, numNeeded: 3 }).view();
	const stuckMs = waiting.heardMs + DEFAULT_LIMITS.roundStuckMs;
	const why = (run: ReturnType<typeof running>, nodes: Observation["nodes"]): string =>
		alertsOf(observation(run, { nowMs: run.heardMs + DEFAULT_LIMITS.roundStuckMs, nodes })).find(
			({ rule }) => rule === "round-stuck",
		)?.message ?? "";

	test.each([
		["too few members", waiting, [], /1 of 3 sites are online$/],
		["pending", waiting, [node("barn", 0, { state: "pending" })], /barn waits for approval/],
		["offline", waiting, [offline("barn", 0, stuckMs)], /1 of 3 sites are online; barn offline/],
		["its site is offline", running(), [offline("attic", 0, stuckMs)], /waits for attic, offline/],
		[
			"aggregating",
			training().add({ kind: "round.accepted", round: 2, updates: [] }).view(),
			[],
			/aggregation does not end/,
		],
	] as const)("%s", (_, run, nodes, text) => expect(why(run, nodes)).toMatch(text));
});

test("the loss also diverges slowly: worse for rounds and worse than at the start", () => {
	const run = script();
	run.add({ kind: "round.evaluated", round: 0, loss: 0.5, perSite: {}, bytesUp: null, bytesDown: null });
	for (const [index, loss] of [0.49, 0.5, 0.51, 0.52].entries()) run.round(index + 1, loss);
	expect(alertsOf(observation(run.view()))).toMatchObject([{ rule: "loss-diverging" }]);
});

test("two sites cannot be unusual to each other", () => {
	const opposed = compared(2, [
		{ site: "attic", norm: 50, alignment: -0.9 },
		{ site: "barn", norm: 1, alignment: -0.9 },
	]);
	// Nor do three when one of them was not in the round.
	for (const sites of [
		["attic", "barn"],
		["attic", "barn", "cellar"],
	])
		expect(alertsOf(observation(script(sites).round(1, 0.9).add(opposed).view()))).toEqual([]);
});
