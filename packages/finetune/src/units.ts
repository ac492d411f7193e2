// Units and convention of a site's arm, folded into its normaliser: what the policy sees is then the same for every
// site, and a robot with LeRobot's own processors needs no further step.
//
// A site whose joint reads x means scale * x + offset degrees. Normalised degrees are
//   (scale * x + offset - (scale * mean + offset)) / (|scale| * std) = sign(scale) * (x - mean) / std,
// so that only the sign of a scale is left: a mirrored joint has a negative std, or swapped ends of its interval.
// LeRobot's normaliser computes (x - mean) / (std + 1e-8) and x * std + mean, which hold for a negative std too.
import type { BatchContext } from "@zk0/policy";

type NormalizerStats = BatchContext["stats"];

/** Degrees (percent for grippers) from recorded numbers: `scale * recorded + offset`, joint by joint. */
export interface UnitMap {
	readonly scale: readonly number[];
	readonly offset: readonly number[];
}

/** The maps of a site; absent where recordings are in degrees already. */
export interface SiteUnits {
	readonly state?: UnitMap | undefined;
	readonly action?: UnitMap | undefined;
}

/** Ends of intervals that trade places when a joint is mirrored. */
const TWINS: Readonly<Record<string, string>> = {
	min: "max",
	max: "min",
	q01: "q99",
	q99: "q01",
	q10: "q90",
	q90: "q10",
};

/**
 * Statistics of recorded numbers that normalise as the statistics of degrees would.
 * @throws RangeError when a map has another length than its feature
 */
export function foldUnits(stats: NormalizerStats, { state, action }: SiteUnits): NormalizerStats {
	const maps: readonly (readonly [string, UnitMap | undefined])[] = [
		["observation.state", state],
		["action", action],
	];
	const folded = { ...stats };
	for (const [feature, map] of maps) {
		const own = stats[feature];
		if (map === undefined || own === undefined) continue;
		const pick = (name: string, values: ArrayLike<number>): number[] => {
			if (values.length !== map.scale.length) {
				throw new RangeError(
					`foldUnits: ${feature} has ${values.length} numbers, its units name ${map.scale.length}`,
				);
			}
			return Array.from(values, (value, joint) => {
				if ((map.scale[joint] ?? 1) > 0) return value;
				if (name === "std") return -value;
				const twin = own[TWINS[name] ?? name];
				return twin?.[joint] ?? value;
			});
		};
		folded[feature] = Object.fromEntries(
			Object.entries(own).map(([name, values]) => [name, pick(name, values)]),
		);
	}
	return folded;
}
