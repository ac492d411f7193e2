// What the final model would do on one held-out frame of each site, for the report.
import { rng } from "@zk0/arrays";
import { writeFileAtomic } from "@zk0/arrays/node";
import type { Session } from "@zk0/autodiff";
import { createOrtRuntime, type Device } from "@zk0/autodiff/node";
import type { Site } from "@zk0/finetune";
import { buildSamplerGraphs, type Checkpoint, openCheckpoint, samplerOn } from "@zk0/policy";
import type { RunPaths } from "@zk0/records";
import { type Preview, pngBase64 } from "@zk0/records/report";

/** Sites that get a preview. */
const MAX_PREVIEWS = 6;

/** What previews are made of. */
export interface PreviewOptions {
	readonly paths: RunPaths;
	/** The last round. */
	readonly round: number;
	readonly sites: readonly Site[];
	readonly seed: number;
	readonly threads: number;
	readonly device: Device;
	readonly signal: AbortSignal;
}

/** Writes previews.json, from the bound checkpoints of the last round. */
export async function writePreviews(options: PreviewOptions): Promise<void> {
	const { paths, round, sites, signal, threads, device } = options;
	await using runtime = await createOrtRuntime({ threads, device });
	const previews: Preview[] = [];
	for (const site of sites.slice(0, MAX_PREVIEWS)) {
		signal.throwIfAborted();
		using checkpoint = await openCheckpoint(paths.siteCheckpoint(round, site.data.name));
		previews.push(...(await previewSite(site, checkpoint, runtime, options)));
	}
	await writeFileAtomic(paths.previews, `${JSON.stringify(previews)}\n`);
}

async function previewSite(
	site: Site,
	checkpoint: Checkpoint,
	runtime: Awaited<ReturnType<typeof createOrtRuntime>>,
	{ seed, signal }: PreviewOptions,
): Promise<Preview[]> {
	const item = liveliestItem(site);
	if (item === undefined) return [];
	const [recorded] = await site.observations.framesFor([item], { signal });
	if (recorded === undefined) return [];
	const { frame } = recorded;
	const { model, tokenizer, stats } = checkpoint;
	const options = { batchSize: 1, cameras: [...site.data.cameraMap.values()] };
	const graphs = buildSamplerGraphs(model, options);
	await using prefill = await runtime.compile(graphs.prefill);
	await using denoise = await runtime.compile(graphs.denoise);
	const sessions: Record<keyof typeof graphs, Session> = { prefill, denoise };
	await using sampler = samplerOn(
		(graph, feeds, runOptions) => sessions[graph].run(feeds, runOptions),
		graphs,
		model,
		{
			...options,
			tokenizer,
			stats,
		},
	);
	const random = rng(seed, site.data.name, "preview");
	const noise = Float32Array.from({ length: site.flow.noiseLength }, () => random.normal());
	const { actions } = await sampler.sampleActions([frame], { noise, signal });
	const { episodeIndex, frameIndex } = site.data.source.rows;
	const names = site.data.actionNames;
	const numSteps = frame.actionIsPad.findIndex((isPad) => isPad !== 0);
	const steps = numSteps < 0 ? frame.actionIsPad.length : numSteps;
	const column = (values: Float32Array, joint: number): number[] =>
		Array.from({ length: steps }, (_, step) =>
			Math.fround(values[step * names.length + joint] ?? Number.NaN),
		);
	return [
		{
			site: site.data.name,
			episode: episodeIndex[item] ?? 0,
			frame: frameIndex[item] ?? 0,
			task: frame.task,
			images: [...frame.images].flatMap(([camera, image]) =>
				"rgb" in image ? [{ camera, png: pngBase64(image) }] : [],
			),
			joints: names.map((name, joint) => ({
				name,
				recorded: column(frame.actions, joint),
				predicted: column(actions, joint),
			})),
		},
	];
}

/** The held-out frame after which the recorded arm moves most: at rest there is nothing to see. */
export function liveliestItem({
	sampledItems,
	chunkOf,
}: Pick<Site, "sampledItems" | "chunkOf">): number | undefined {
	let best: { readonly item: number; readonly motion: number } | undefined;
	for (const item of sampledItems) {
		const { actions, actionIsPad } = chunkOf(item);
		const numJoints = actions.length / actionIsPad.length;
		let motion = 0;
		for (let step = 1; step < actionIsPad.length && actionIsPad[step] === 0; step++) {
			for (let joint = 0; joint < numJoints; joint++) {
				const place = step * numJoints + joint;
				motion += Math.abs((actions[place] ?? 0) - (actions[place - numJoints] ?? 0));
			}
		}
		if (best === undefined || motion > best.motion) best = { item, motion };
	}
	return best?.item;
}
