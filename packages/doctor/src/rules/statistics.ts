// Rules about stored statistics: a normaliser that is absent, under another name or wrong sends the arm elsewhere.
import type { FeatureStats } from "@zk0/dataset";
import type { Evidence } from "../evidence.ts";
import type { Hit, Rule } from "../rule.ts";
import { someOf } from "../rule.ts";
import type { StoredFeature } from "../survey/stored-stats.ts";

const NEEDED = ["observation.state", "action"] as const;
/** Part of a standard deviation by which stored and computed numbers may differ: LeRobot sums in float32. */
const TOLERANCE_STD = 0.02;

/** True for a key that is a known feature's under another name, such as "so100.buffer.action". */
function isMiskeyed(key: string, features: readonly string[]): boolean {
	if (features.includes(key) || NEEDED.some((name) => name === key)) return false;
	return NEEDED.some((name) => key.endsWith(name) || name.endsWith(`.${key}`));
}

function missing({ stored, info, layout }: Evidence): Hit[] {
	const wanted = NEEDED.filter((name) => info.features[name] !== undefined);
	if (stored === null) {
		return [
			{
				message: `there are no statistics of ${wanted.join(" and ")} (${layout.versions.includes("v3.0") ? "meta/stats.json" : "meta/episodes_stats.jsonl or meta/stats.json"})`,
			},
		];
	}
	const hasAll = (feature: StoredFeature | undefined): boolean =>
		feature !== undefined && feature.mean.length > 0 && feature.std.length > 0;
	const absent = wanted.filter((name) => !hasAll(stored.features[name]));
	return absent.length === 0
		? []
		: [{ message: `there are no statistics of ${absent.join(" and ")}`, file: stored.file }];
}

function wrongNumbers(stored: StoredFeature, computed: FeatureStats): string[] {
	const wrong: string[] = [];
	for (const key of ["mean", "std", "min", "max"] as const) {
		const values = stored[key];
		if (values.length === 0) continue;
		if (values.length !== computed[key].length) {
			wrong.push(`${key} has ${values.length} numbers instead of ${computed[key].length}`);
			continue;
		}
		const joint = values.findIndex((value, at) => {
			const scale = Math.max(computed.std[at] ?? 0, 1e-3 * Math.abs(computed.mean[at] ?? 0), 1e-6);
			return !(Math.abs(value - (computed[key][at] ?? 0)) <= TOLERANCE_STD * scale);
		});
		if (joint >= 0)
			wrong.push(
				`${key}[${joint}] is ${String(values[joint])} instead of ${(computed[key][joint] ?? 0).toPrecision(6)}`,
			);
	}
	return wrong;
}

/** The rules, in the order of the documentation. */
export const STATISTICS_RULES: readonly Rule[] = [
	{
		code: "statistics-missing",
		severity: "warning",
		subject: "statistics",
		summary: "No statistics of states or actions are stored: LeRobot would not normalise, zk0 computes them.",
		cure: "Use the profile, which holds them, or write a repaired copy.",
		fix: "profile",
		check: missing,
	},
	{
		code: "statistics-miskeyed",
		severity: "warning",
		subject: "statistics",
		summary: "Statistics are stored under a key that is no feature, so that a reader silently skips them.",
		cure: "Use the profile, or write a repaired copy with the features' own keys.",
		fix: "profile",
		check: ({ stored, info }) => {
			const keys = Object.keys(stored?.features ?? {}).filter((key) =>
				isMiskeyed(key, Object.keys(info.features)),
			);
			return keys.length === 0
				? []
				: [{ message: `statistics are stored under ${someOf(keys)}`, file: stored?.file ?? "" }];
		},
	},
	{
		code: "statistics-wrong",
		severity: "warning",
		subject: "statistics",
		summary: "Stored statistics are not those of the rows.",
		cure: "Use the profile, which holds them computed anew, or write a repaired copy.",
		fix: "profile",
		check: ({ stored, recomputed, rows, episodes, rowsByEpisode }) => {
			// Rows that cannot be read, are missing or there twice make other statistics than the writer saw.
			const isWhole =
				rows.unreadable.size === 0 &&
				[...rowsByEpisode.values()].every((facts) => facts.length === 1) &&
				(episodes ?? []).every(({ index, length }) => rowsByEpisode.get(index)?.[0]?.numRows === length);
			if (stored === null || !isWhole) return [];
			return NEEDED.flatMap((feature) => {
				const [mine, theirs] = [recomputed[feature], stored.features[feature]];
				if (mine === undefined || theirs === undefined) return [];
				const wrong = wrongNumbers(theirs, mine);
				return wrong.length === 0 ? [] : [{ message: `${feature}: ${someOf(wrong, 3)}`, file: stored.file }];
			});
		},
	},
];
