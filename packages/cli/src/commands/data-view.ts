// `zk0 data view [dataset]`: recordings in a browser, episode by episode, beside what models would have done.
import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import { type RunRecord, readRunRecord } from "@zk0/records";
import { isSimUri } from "@zk0/sim";
import { z } from "zod";
import { findRun } from "../arguments/find-run.ts";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { modelsOfRun, namedModel, type ViewedModel } from "../episode-viewer/models.ts";
import { serveViewer } from "../episode-viewer/serve-viewer.ts";
import { openViewer, type ViewerOptions } from "../episode-viewer/viewer.ts";
import { DATA_FORMS } from "../sources/data-forms.ts";
import { openProfiledData } from "../sources/locate-data.ts";

const OPTIONS = {
	model: {
		kind: "text",
		schema: z.string().min(1),
		value: "<dir>|hf:<user>/<name>",
		summary: "a checkpoint whose actions to look at; one that is not bound gets these recordings' statistics",
	},
	run: {
		kind: "text",
		schema: z.string().min(1),
		value: "<run>",
		summary:
			"the checkpoints that a run has kept, round by round: its id, the beginning or end of one, or latest",
	},
	site: {
		kind: "text",
		schema: z.string().min(1),
		value: "<site>",
		summary: "with --run: whose recordings and bound checkpoints (default: the run's first site)",
	},
	out: { ...RUN_OPTIONS.out, summary: "with --run: directory that holds the runs (default: runs)" },
	camera: {
		...RUN_OPTIONS.camera,
		value: "<dataset camera>=<policy camera>",
		summary: "for a model that is not bound: which camera is which, repeatable (default: equal names)",
	},
	every: {
		kind: "number",
		schema: z.int().min(1).max(100_000),
		value: "<n>",
		summary: "frames from one predicted chunk to the next (default: the policy's n_action_steps)",
	},
	seed: { ...RUN_OPTIONS.seed, summary: "noise of the predictions (default: 42, as `zk0 predict`)" },
	threads: { ...RUN_OPTIONS.threads, summary: "compute threads of a prediction (default: 1)" },
	device: { ...RUN_OPTIONS.device, summary: "what computes: cpu (the default), webgpu, cuda or auto" },
	port: {
		kind: "number",
		schema: z.int().min(0).max(65_535),
		value: "<n>",
		summary: "port of the page on this machine (default: any free one)",
	},
} satisfies OptionTable;

/** The command. */
export const dataView = defineCommand({
	positionals: [
		{ name: "dataset", summary: `recordings: ${DATA_FORMS}; with --run: its site's`, optional: true },
	],
	options: OPTIONS,
	notes: [
		"Prints a link that opens the viewer in a browser on this machine, until Ctrl-C. Predictions are made when they are " +
			"asked for on the page, by the code of `zk0 predict`, and kept.",
	],
	examples: [
		"zk0 data view data/kitchen",
		"zk0 data view data/kitchen --model models/kitchen",
		"zk0 data view --run latest --site kitchen",
	],
	async run({ values, named, host, output }) {
		const dir = resolve(host.cwd, values.out ?? "runs");
		const ofRun = values.run === undefined ? null : await openRun(dir, values.run, values.site);
		const uri = named["dataset"] ?? ofRun?.uri;
		if (uri === undefined)
			throw new CliError("missing-argument", "missing <dataset>: which recordings to look at", {
				cure: "name them, or a run that has them with --run; see `zk0 help data view`",
			});
		const data = await openProfiledData(uri, { host, output });
		const models = [
			...(ofRun?.models ?? []),
			...(values.model === undefined ? [] : [namedModel(values.model)]),
		];
		await using viewer = openViewer({
			name: ofRun?.name ?? (isSimUri(uri) ? uri.split("?", 1).join() : basename(data.dataset.root)),
			data,
			models: async () => models,
			heldOut: ofRun?.heldOut ?? null,
			camera: values.camera ?? ofRun?.camera,
			every: values.every ?? null,
			seed: values.seed ?? 42,
			threads: values.threads ?? 1,
			device: values.device ?? "cpu",
			host,
		});
		await serveViewer(viewer, {
			port: values.port ?? 0,
			host,
			onReady: (link) => output.result({ link }, () => `${link}\nCtrl-C ends it.`),
			onFault: (error) =>
				host.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`),
		});
	},
});

/** What a run says about a site's recordings, and what it has kept. */
interface RunOfSite extends Pick<ViewerOptions, "name" | "camera" | "heldOut"> {
	readonly uri: string;
	readonly models: readonly ViewedModel[];
}

const splitSchema = z.object({ heldOut: z.union([z.number(), z.array(z.int())]), seed: z.int() });

async function openRun(out: string, word: string, name: string | undefined): Promise<RunOfSite> {
	const paths = await findRun(out, word);
	const record = await readRunRecord(paths.config);
	const site = siteOf(record, name);
	const { heldOut, seed } = splitSchema.parse(record.config);
	return {
		name: site.name,
		// What was recorded for the run lies where the run found it.
		uri: isSimUri(site.uri) && existsSync(site.dataset) ? site.dataset : site.uri,
		camera: site.cameras,
		heldOut: { wanted: heldOut, seed },
		models: await modelsOfRun(paths, site.name),
	};
}

function siteOf({ runId, sites }: RunRecord, name: string | undefined): RunRecord["sites"][number] {
	const site = name === undefined ? sites[0] : sites.find((one) => one.name === name);
	if (site !== undefined) return site;
	const known = sites.map((one) => one.name);
	throw new CliError("bad-flag", `run ${runId} has no recordings of ${name ?? "any site"} on this machine`, {
		cure: known.length === 0 ? "name the recordings, too" : `its sites are ${known.join(", ")}`,
	});
}
