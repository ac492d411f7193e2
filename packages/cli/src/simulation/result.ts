// What `zk0 simulate --json` ends with. The keys are fixed; programs depend on them.
import type { RunPaths, RunSummary } from "@zk0/records";

/** The document. */
export interface SimulationResult {
	readonly runId: string;
	readonly runDir: string;
	readonly rounds: number;
	readonly strategy: string | null;
	readonly sites: number;
	readonly initialLoss: number | null;
	readonly finalLoss: number | null;
	readonly perSite: readonly {
		readonly site: string;
		readonly initialLoss: number | null;
		readonly finalLoss: number | null;
		/** Samples consumed by the site's optimizer steps; null when it never trained. */
		readonly samples: number | null;
	}[];
	readonly bytesUp: number | null;
	readonly bytesDown: number | null;
	/** The last round's global checkpoint. */
	readonly checkpoint: string;
	/** SHA-256 of its model.safetensors (of an adapter: adapter_model.safetensors), whose tensors are sorted by name. */
	readonly modelSha256: string;
	/** From the start of the command to its end. */
	readonly seconds: number;
}

/** The document of a run. */
export function simulationResult(
	run: RunSummary,
	context: { readonly paths: RunPaths; readonly modelSha256: string; readonly seconds: number },
): SimulationResult {
	const { paths, modelSha256, seconds } = context;
	const [first] = run.rounds;
	const last = run.rounds.at(-1);
	const rounds = last?.round ?? 0;
	return {
		runId: paths.id,
		runDir: paths.root,
		rounds,
		strategy: run.strategy,
		sites: run.sites.length,
		initialLoss: run.initialLoss,
		finalLoss: run.finalLoss,
		perSite: run.sites.map((site) => {
			const samples = run.rounds.flatMap((round) => round.sites[site]?.numSamples ?? []);
			return {
				site,
				initialLoss: first?.sites[site]?.heldOutLoss ?? null,
				finalLoss: last?.sites[site]?.heldOutLoss ?? null,
				samples: samples.length === 0 ? null : samples.reduce((sum, value) => sum + value, 0),
			};
		}),
		bytesUp: run.bytesUp,
		bytesDown: run.bytesDown,
		checkpoint: paths.globalCheckpoint(rounds),
		modelSha256,
		seconds,
	};
}
