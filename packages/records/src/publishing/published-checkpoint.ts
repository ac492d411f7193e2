// The checkpoint of a run that is published: its files, and the card made from the run's record.
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { sha256File } from "@zk0/arrays/node";
import type { PushFile } from "@zk0/hub";
import { weightsPath } from "@zk0/policy";
import { RecordsError } from "../errors.ts";
import type { RunPaths } from "../run-directory/paths.ts";
import { readRun } from "../run-directory/read-run.ts";
import { requireRounds } from "../run-directory/run-record.ts";
import { modelCard } from "./model-card.ts";

/** Name of the card in a repository. */
export const CARD = "README.md";

/** What is published. */
export interface PublishedCheckpoint {
	readonly directory: string;
	readonly round: number;
	readonly files: readonly PushFile[];
	/** Bytes of the files on disk. */
	readonly bytes: number;
	readonly card: string;
}

/**
 * The global checkpoint of a round with its card; with `record`, also the run's log and record, by which anybody can
 * verify it.
 * @throws RecordsError "run-not-found" when the round's checkpoint is not kept, "no-rounds"; FederationError "log-tampered"
 */
export async function publishedCheckpoint(
	paths: RunPaths,
	options: {
		readonly round: number | null;
		readonly license: string | null;
		readonly repo: string | null;
		readonly withRecord: boolean;
	},
): Promise<PublishedCheckpoint> {
	const { record, summary, head } = await readRun(paths);
	requireRounds(record);
	const round = options.round ?? summary.rounds.at(-1)?.round ?? 0;
	if (round === 0 && options.round === null)
		throw new RecordsError(
			"run-not-found",
			`run ${paths.id} has trained nothing yet; its start is published only when it is asked for (--round 0)`,
		);
	const directory = paths.globalCheckpoint(round);
	if (!existsSync(directory)) {
		throw new RecordsError(
			"run-not-found",
			`run ${paths.id} keeps no checkpoint of round ${round}; name a round that it keeps (--round), ` +
				"or run again with --keep-checkpoints",
		);
	}
	const card = modelCard({
		record,
		run: summary,
		round,
		modelSha256: await sha256File(weightsPath(directory)),
		logHead: head,
		license: options.license,
		repo: options.repo,
	});
	const own = (await filesOf(directory)).filter((path) => path !== CARD);
	const about = options.withRecord
		? [paths.config, paths.events, paths.metrics, paths.report].filter(existsSync)
		: [];
	const sources = [
		...own.map((path) => ({ path, file: join(directory, path) })),
		...about.map((file) => ({ path: `run/${relative(paths.root, file)}`, file })),
	];
	let bytes = 0;
	for (const { file } of sources) bytes += (await stat(file)).size;
	return {
		directory,
		round,
		files: [
			...sources.map(({ path, file }) => ({ path, from: { file } })),
			{ path: CARD, from: { text: card } },
		],
		bytes,
		card,
	};
}

async function filesOf(directory: string): Promise<string[]> {
	const entries = await readdir(directory, { recursive: true, withFileTypes: true });
	return entries
		.filter((entry) => entry.isFile())
		.map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join("/"))
		.sort();
}
