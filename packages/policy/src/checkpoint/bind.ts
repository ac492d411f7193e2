// Joins a global checkpoint with one site's statistics and camera map: the result runs on that site's robot and
// opens in LeRobot.
import { cameraKeys, parsePolicyConfig, type SmolVLAConfig } from "../config/policy-config.ts";
import { PolicyError } from "../errors.ts";
import { createNormalizer, normalizedFeatures, type Stats } from "../inputs/normalizer.ts";
import { weightsPath } from "./layout.ts";
import { type Checkpoint, openCheckpoint } from "./open.ts";
import type { OpenOptions } from "./parts.ts";
import type { RenameMap } from "./processors.ts";
import { contentOf, writeCheckpoint } from "./write.ts";

/** What a site adds to the global model. */
export interface SiteBinding extends OpenOptions {
	/** Statistics of the site's dataset; must cover state and action. */
	readonly stats: Stats;
	/** Dataset camera key -> policy camera key; equal names need no entry. */
	readonly renameMap?: RenameMap;
	/** Lengths of the site's vectors; default the checkpoint's. */
	readonly stateLength?: number;
	readonly actionLength?: number;
	/** Share the weights' file with the global checkpoint instead of copying it, where possible. @default false */
	readonly sharesWeights?: boolean;
}

function siteConfig(config: SmolVLAConfig, { stateLength, actionLength }: SiteBinding): SmolVLAConfig {
	const resized: Record<string, unknown> = {};
	if (stateLength !== undefined) {
		const state = { type: "STATE", shape: [stateLength] };
		resized["input_features"] = { ...config.input_features, "observation.state": state };
	}
	if (actionLength !== undefined) {
		resized["output_features"] = {
			...config.output_features,
			action: { type: "ACTION", shape: [actionLength] },
		};
	}
	return parsePolicyConfig({ ...config, ...resized });
}

function checkRenames(config: SmolVLAConfig, renameMap: RenameMap): void {
	const known = cameraKeys(config);
	const targets = Object.values(renameMap);
	for (const [from, to] of Object.entries(renameMap)) {
		if (!known.includes(to)) {
			throw new PolicyError(
				"bad-config",
				`${from} is renamed to ${to}; the policy's cameras are ${known.join(", ")}`,
				{
					key: from,
				},
			);
		}
		if (targets.filter((target) => target === to).length > 1) {
			throw new PolicyError("bad-config", `two cameras are renamed to ${to}`, { key: from });
		}
	}
}

/**
 * Writes a bound copy of `globalDir` to `outDir`; the tensors are copied unchanged.
 * @throws PolicyError missing-stats | bad-stats | bad-config, and as `openCheckpoint` and `writeCheckpoint`
 */
export async function bindCheckpoint(globalDir: string, outDir: string, binding: SiteBinding): Promise<void> {
	using checkpoint = await openCheckpoint(globalDir, binding);
	const { config, stats, renameMap } = boundTo(checkpoint, binding);
	await writeCheckpoint(outDir, {
		...contentOf(checkpoint),
		config,
		site: { stats, renameMap },
		sharedWeights: binding.sharesWeights === true ? weightsPath(globalDir) : undefined,
	});
}

/**
 * An open checkpoint as `bindCheckpoint` would write it, in memory: for who only wants to look at what it does.
 * It shares the other's files, which stay the caller's to close.
 * @throws PolicyError missing-stats | bad-stats | bad-config
 */
export function boundTo(checkpoint: Checkpoint, binding: SiteBinding): Checkpoint {
	const config = siteConfig(checkpoint.config, binding);
	const { state, action } = normalizedFeatures(config);
	for (const feature of [state, action]) createNormalizer(feature, binding.stats);
	const renameMap = binding.renameMap ?? {};
	checkRenames(config, renameMap);
	const model = { ...checkpoint.model, config };
	return { ...checkpoint, config, model, stats: binding.stats, renameMap, kind: "bound", isBound: true };
}
