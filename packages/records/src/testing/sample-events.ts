// The events of a made-up run, for tests of what is folded and drawn from a log.
import { rng } from "@zk0/arrays";
import type { RoundEvent } from "@zk0/federation";

const START_MS = Date.UTC(2026, 10, 23, 12, 0, 0);
const JOINTS = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"].map(
	(joint) => `${joint}.pos`,
);

type RunStarted = Extract<RoundEvent, { kind: "run.started" }>;

/** The first event of a made-up run. */
export function runStarted(
	about: Pick<RunStarted, "at" | "runId" | "numRounds" | "weightsSha256" | "weightsSizeBytes">,
): RunStarted {
	return {
		kind: "run.started",
		seed: 42,
		numLocalSteps: 20,
		strategy: { name: "fedprox", options: { mu: 0.01 } },
		learning: {},
		updateDtype: "float32",
		privacy: "none",
		clipNorm: null,
		...about,
	};
}

/** How the made-up run looks. */
export interface SampleRun {
	readonly sites: readonly string[];
	readonly numRounds: number;
	readonly runId?: string;
	/** Sites also measure the weights that they trained themselves. */
	readonly evalLocal?: boolean;
}

/** A complete run of `numRounds` rounds whose losses fall; every round takes 10 s. */
export function sampleEvents({
	sites,
	numRounds,
	runId = "sample",
	evalLocal = false,
}: SampleRun): RoundEvent[] {
	const random = rng("sample-events");
	let nowMs = START_MS;
	const at = (aheadMs = 0): string => {
		nowMs += aheadMs;
		return new Date(nowMs).toISOString();
	};
	const hash = (round: number): string => String(round).padStart(64, "0");
	const events: RoundEvent[] = [
		runStarted({ at: at(), runId, numRounds, weightsSha256: hash(0), weightsSizeBytes: 4_000_000 }),
		...sites.map((site) => ({
			kind: "site.joined" as const,
			at: at(),
			site,
			numSamples: 400,
			details: {},
			publicKey: null,
		})),
	];
	const levels = new Map(sites.map((site) => [site, 0.7 + 0.4 * random.uniform()]));
	for (let round = 0; round <= numRounds; round++) {
		if (round > 0) {
			events.push({ kind: "round.started", at: at(), round, attempt: 1, sites, proximalMu: 0.01 });
			for (const site of sites) {
				const level = levels.get(site) ?? 1;
				events.push({ kind: "task.sent", at: at(), round, phase: "train", site });
				events.push({
					kind: "update.received",
					at: at(8000 / sites.length),
					round,
					site,
					sha256: hash(round),
					sizeBytes: 4_000_000,
					numSamples: 320,
					metrics: { loss: 0.9 * level, ...(evalLocal ? { heldOutLoss: 0.95 * level } : {}) },
					norm: null,
					signed: null,
				});
			}
			const updates = sites.map((site) => ({
				site,
				sha256: hash(round),
				numSamples: 320,
				weight: 1 / sites.length,
				scale: 1,
			}));
			events.push({
				kind: "updates.compared",
				at: at(),
				round,
				numElements: 1_000_000,
				numTotal: 1_000_000,
				sites: sites.map((site, index) => ({ site, norm: 1 + index, alignment: 0.25 })),
				cosines: sites.map((_, index) => Array.from({ length: index }, () => 0.25)),
			});
			events.push({ kind: "round.accepted", at: at(), round, updates });
			events.push({
				kind: "round.aggregated",
				at: at(100),
				round,
				weightsSha256: hash(round),
				strategyState: null,
				slotsSha256: null,
				numUpdates: sites.length,
				seconds: 0.1,
			});
			for (const site of sites) levels.set(site, (levels.get(site) ?? 1) * (0.78 + 0.14 * random.uniform()));
		}
		for (const site of sites) {
			events.push({ kind: "task.sent", at: at(), round, phase: "evaluate", site });
			const loss = levels.get(site) ?? 1;
			events.push({
				kind: "site.evaluated",
				at: at(1900 / sites.length),
				round,
				site,
				loss,
				numSamples: 48,
				metrics: Object.fromEntries(
					JOINTS.flatMap((joint) => [
						[`jointError.${joint}`, loss * (4 + 6 * random.uniform())],
						[`holdPoseError.${joint}`, 5],
					]),
				),
			});
		}
		const losses = sites.map((site) => levels.get(site) ?? 1);
		events.push({
			kind: "round.evaluated",
			at: at(),
			round,
			loss: losses.reduce((sum, loss) => sum + loss, 0) / sites.length,
			perSite: Object.fromEntries(sites.map((site) => [site, levels.get(site) ?? null])),
			bytesUp: round === 0 ? 2000 * sites.length : 4_002_000 * sites.length,
			bytesDown: 4_001_000 * sites.length * (round === 0 ? 1 : 2),
		});
	}
	events.push({ kind: "run.completed", at: at(), numRounds, weightsSha256: hash(numRounds) });
	return events;
}
