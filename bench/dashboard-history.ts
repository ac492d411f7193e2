// A made-up history of a federation with many sites and rounds, as the log of a server's run: losses fall, sites are
// away, fail and are refused now and then.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { rng } from "@zk0/arrays";
import { openEventLog, type RoundEvent } from "@zk0/federation";
import { runStarted } from "@zk0/records/testing";

/** How large the history is. */
export interface HistorySize {
	readonly runId: string;
	readonly numSites: number;
	readonly numRounds: number;
	/** Loss of the base model. */
	readonly firstLoss: number;
	/** False: the last round is still under way. */
	readonly isOver: boolean;
	readonly startMs: number;
}

const JOINTS = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"];
const NAMES = ["kitchen", "workshop", "lab", "warehouse", "garage", "school"];
const UPDATE_BYTES = 4_100_000;

/** Writes `events.jsonl` and `config.json` of a run into `<dir>/<run id>`. */
export async function writeHistory(dir: string, size: HistorySize): Promise<void> {
	const root = join(dir, size.runId);
	await mkdir(root, { recursive: true });
	await using log = await openEventLog(join(root, "events.jsonl"));
	for (const events of historyOf(size)) await log.append(events);
}

/** The events, a batch per round. */
export function* historyOf(size: HistorySize): Generator<RoundEvent[]> {
	const { runId, numSites, numRounds, firstLoss, isOver, startMs } = size;
	const random = rng("dashboard-history", runId);
	let nowMs = startMs;
	const at = (aheadMs = 0): string => {
		nowMs += aheadMs;
		return new Date(nowMs).toISOString();
	};
	const hash = (): string =>
		Array.from({ length: 64 }, () => Math.floor(random.uniform() * 16).toString(16)).join("");
	const sites = Array.from({ length: numSites }, (_, index) => {
		const name = NAMES[index] ?? `site-${String(index + 1).padStart(3, "0")}`;
		return { name, level: firstLoss * (0.8 + 0.4 * random.uniform()), pace: 3 + 5 * random.uniform() };
	}).sort((a, b) => (a.name < b.name ? -1 : 1));
	yield [
		runStarted({ at: at(), runId, numRounds, weightsSha256: hash(), weightsSizeBytes: UPDATE_BYTES }),
		...sites.map(({ name }) => ({
			kind: "site.joined" as const,
			at: at(20),
			site: name,
			numSamples: 400 + Math.floor(random.uniform() * 4000),
			publicKey: null,
			details: {
				robotType: "so100_follower",
				fps: 30,
				tasks: ["Push the red cube onto the green target"],
				cameras: ["observation.images.top", "observation.images.wrist"],
				numEpisodes: 12 + Math.floor(random.uniform() * 60),
			},
		})),
	];
	const lastRound = isOver ? numRounds : Math.ceil(numRounds * 0.75);
	for (let round = 0; round <= lastRound; round++) {
		const events: RoundEvent[] = [];
		const isOpen = !isOver && round === lastRound;
		const startedMs = nowMs;
		const counted: { site: string; sha256: string; numSamples: number }[] = [];
		if (round > 0) {
			events.push({
				kind: "round.started",
				at: at(),
				round,
				attempt: 1,
				sites: sites.map(({ name }) => name),
				proximalMu: 0.01,
			});
			for (const { name } of sites)
				events.push({ kind: "task.sent", at: at(), round, phase: "train", site: name });
			const order = [...sites].sort((a, b) => a.pace - b.pace);
			for (const { name, level, pace } of order.slice(0, isOpen ? Math.ceil(numSites / 2) : numSites)) {
				nowMs = startedMs + pace * 1000;
				const luck = random.uniform();
				if (luck < 0.015)
					events.push({
						kind: "site.failed",
						at: at(),
						round,
						phase: "train",
						site: name,
						code: "offline",
						message: "no sign of life for 10000 ms",
					});
				else if (luck < 0.025)
					events.push({
						kind: "update.rejected",
						at: at(),
						round,
						site: name,
						code: "not-finite",
						message: "model.action_out_proj.weight holds NaN",
						endsTask: true,
					});
				else {
					const sha256 = hash();
					const numSamples = 320;
					counted.push({ site: name, sha256, numSamples });
					events.push({
						kind: "update.received",
						at: at(),
						round,
						site: name,
						sha256,
						sizeBytes: UPDATE_BYTES,
						numSamples,
						norm: level * 1.3,
						metrics: {
							loss: level * 0.9,
							lastLoss: level * 0.85,
							gradNorm: level * 2,
							samplesPerSecond: 40 / pace,
							pullSeconds: 0.4 + 0.3 * random.uniform(),
							workSeconds: pace * 0.75,
						},
						signed: {
							key: hash().slice(0, 32),
							instruction: hash(),
							records: [hash(), hash()],
							signature: Buffer.from(hash()).toString("base64"),
						},
					});
				}
			}
			if (!isOpen) {
				const updates = counted
					.sort((a, b) => (a.site < b.site ? -1 : 1))
					.map((update) => ({ ...update, weight: 1 / counted.length, scale: 1 }));
				events.push({
					kind: "updates.compared",
					at: at(),
					round,
					numElements: 1 << 20,
					numTotal: 100_000_000,
					sites: counted.map(({ site }) => ({ site, norm: 1.3, alignment: 0.2 })),
					cosines: null,
				});
				events.push({ kind: "round.accepted", at: at(50), round, updates });
				events.push({
					kind: "round.aggregated",
					at: at(350),
					round,
					weightsSha256: hash(),
					strategyState: null,
					slotsSha256: null,
					numUpdates: updates.length,
					seconds: 0.35,
				});
			}
		}
		if (!isOpen) events.push(...evaluation(round));
		yield events;
	}
	if (isOver) yield [{ kind: "run.completed", at: at(), numRounds, weightsSha256: hash() }];

	function evaluation(round: number): RoundEvent[] {
		const events: RoundEvent[] = sites.map(({ name }) => ({
			kind: "task.sent",
			at: at(),
			round,
			phase: "evaluate",
			site: name,
		}));
		for (const site of sites) {
			site.level *= round === 0 ? 1 : 1 - (0.9 / numRounds) * (0.2 + random.uniform());
			events.push({
				kind: "site.evaluated",
				at: at(900 / numSites),
				round,
				site: site.name,
				loss: site.level,
				numSamples: 48,
				metrics: Object.fromEntries(
					JOINTS.flatMap((joint, index) => [
						[`jointError.${joint}.pos`, site.level * (3 + index + random.uniform())],
						[`holdPoseError.${joint}.pos`, firstLoss * (3 + index)],
					]),
				),
			});
		}
		events.push({
			kind: "round.evaluated",
			at: at(),
			round,
			loss: sites.reduce((sum, { level }) => sum + level, 0) / numSites,
			perSite: Object.fromEntries(sites.map(({ name, level }) => [name, level])),
			bytesUp: round === 0 ? 2000 * numSites : UPDATE_BYTES * numSites,
			bytesDown: UPDATE_BYTES * numSites * (round === 0 ? 1 : 2),
		});
		return events;
	}
}
