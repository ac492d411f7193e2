// `zk0 data partition <dataset>…`: who gets what when a dataset is divided among clients; nothing is copied.
import { basename } from "node:path";
import { writeFileAtomic } from "@zk0/arrays/node";
import { openDataset, taskOf } from "@zk0/dataset";
import { z } from "zod";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { createPaint, type Paint, wantsColour } from "../progress/paint.ts";
import { renderTable } from "../progress/table.ts";
import { type ClientPart, divideDataset } from "../simulation/partition-plan.ts";
import { parsePartition, partitionText } from "../simulation/partition-scheme.ts";
import { DATA_FORMS } from "../sources/data-forms.ts";
import { locateData } from "../sources/locate-data.ts";
import { folderOf } from "./dataset-writing.ts";

const OPTIONS = {
	clients: {
		kind: "number",
		schema: z.number().int().min(2).max(1000),
		value: "<n>",
		summary: "clients to divide it among (default: 4)",
	},
	by: {
		kind: "text",
		schema: z.enum(["dirichlet", "iid", "modulo"]),
		value: "<scheme>",
		summary:
			"dirichlet: skewed by task; iid: at random; modulo: episode number modulo clients (default: iid)",
	},
	alpha: {
		kind: "number",
		schema: z.number().positive(),
		value: "<x>",
		summary:
			"of dirichlet: small gives clients nearly one task each, large nearly the same mixture (default: 0.5)",
	},
	seed: { ...RUN_OPTIONS.seed, summary: "seed of the draw (default: 0)" },
	out: {
		kind: "text",
		schema: z.string().min(1),
		value: "<file>",
		summary: "write the table there as JSON, too",
	},
} satisfies OptionTable;

/** The command. */
export const dataPartition = defineCommand({
	positionals: [{ name: "dataset", summary: `which is not changed: ${DATA_FORMS}` }],
	options: OPTIONS,
	notes: [
		"Each client's part is named by a URI that every command takes for --data. " +
			"`zk0 simulate --data all=<dataset> --partition dirichlet:4:0.5` divides in the same way and trains. " +
			"dirichlet is the division of Hsu, Qi and Brown 2019 (arXiv:1909.06335).",
	],
	examples: ["zk0 data partition data/all --clients 4 --by dirichlet --alpha 0.5 --seed 1"],
	async run({ values, named, host, output }) {
		const { clients = 4, by = "iid", alpha, seed = 0, out } = values;
		if (by !== "dirichlet" && alpha !== undefined) {
			throw new CliError("bad-flag", `--alpha has no meaning with --by ${by}`, {
				cure: "use --by dirichlet",
			});
		}
		const located = await locateData(named["dataset"] ?? "", { host, output });
		const dataset = await openDataset(located.dir, { selection: located.selection, signal: host.signal });
		const text = `${by}:${clients}${by === "dirichlet" ? `:${alpha ?? 0.5}` : ""}`;
		const scheme = parsePartition(partitionText.parse(text));
		const parts = divideDataset(dataset, { name: basename(dataset.root), uri: located.uri, scheme, seed });
		const document = { dataset: located.uri, partition: text, seed, clients: parts };
		if (out !== undefined) {
			await writeFileAtomic(folderOf(host, out), `${JSON.stringify(document, null, 2)}\n`);
		}
		const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
		output.result(document, () => tableOf(parts, [...new Set(dataset.episodes.map(taskOf))], paint));
	},
});

/** One line per client: episodes, frames, and episodes of each task, which the lines below name. */
function tableOf(parts: readonly ClientPart[], tasks: readonly string[], paint: Paint): string {
	const numbers = ["episodes", "frames", ...tasks.map((_, index) => `task ${index + 1}`)];
	const rows = parts.map(({ name, episodes, numFrames, tasks: counts }) => [
		name,
		String(episodes.length),
		String(numFrames),
		...tasks.map((task) => String(counts[task] ?? 0)),
	]);
	const table = renderTable(["client", ...numbers], rows, { paint, right: numbers });
	const names = tasks.map((task, index) => `task ${index + 1}: ${task}`);
	const uris = parts.map(({ name, uri }) => `${name}=${uri}`);
	return [table, "", ...names, "", ...uris].join("\n");
}
