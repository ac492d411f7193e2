// `zk0 data doctor <dataset>…`: says what is wrong with recordings, and cures what can be cured safely.
import { isAbsolute, relative, resolve } from "node:path";
import { writeFileAtomic } from "@zk0/arrays/node";
import {
	buildProfile,
	checkFree,
	checkOutside,
	compareExaminations,
	type Examination,
	examineDataset,
	reportOf,
	writeProfile,
	writeRepairedCopy,
} from "@zk0/doctor";
import { z } from "zod";
import type { OptionTable, OptionValues } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { type ModelPurpose, modelPurpose } from "../doctor/model-purpose.ts";
import { renderDoctorHtml } from "../doctor/report-html.ts";
import { renderDoctorText } from "../doctor/report-text.ts";
import type { ExitName } from "../exit-codes.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import { createPaint, wantsColour } from "../progress/paint.ts";
import { DATA_FORMS } from "../sources/data-forms.ts";
import { parseDataUri } from "../sources/data-uri.ts";
import { locateData } from "../sources/locate-data.ts";

const OPTIONS = {
	html: {
		kind: "text",
		schema: z.string().min(1),
		value: "<file>",
		summary: "write the report as one HTML page with pictures",
	},
	fix: {
		kind: "text",
		schema: z.enum(["profile", "copy"]),
		value: "profile|copy",
		summary:
			"write a site profile (camera map, units, statistics, episodes to leave out), or a repaired copy without the bad episodes; the original is never changed",
	},
	out: {
		kind: "text",
		schema: z.string().min(1),
		value: "<path>",
		summary: "with --fix: the profile's file, or the copy's folder; must not exist",
	},
	thorough: { kind: "switch", schema: z.boolean(), summary: "decode every picture instead of a sample" },
	model: {
		kind: "text",
		schema: z.string().min(1),
		value: "<dir>|hf:<user>/<name>",
		summary: "the model that the recordings are for: its cameras, chunk and sizes (default: zk0's small one)",
	},
	heldOut: {
		...RUN_OPTIONS.heldOut,
		summary: "with --fix profile: fraction of the episodes that is never trained on (default: 0.2)",
	},
	seed: { ...RUN_OPTIONS.seed, summary: "with --fix profile: chooses them (default: 42)" },
} satisfies OptionTable;

type Values = OptionValues<typeof OPTIONS>;

/** The command. */
export const dataDoctor = defineCommand({
	positionals: [
		{ name: "dataset", summary: `what to examine; not changed: ${DATA_FORMS}`, several: true, atLeast: 1 },
	],
	options: OPTIONS,
	notes: [
		"Reads every row, and a sample of at most about 10,000 pictures: a stretch of each episode and a few frames besides. Exits with 13 when there are errors, 14 when there are only warnings. docs/data-doctor.md explains every code.",
	],
	examples: [
		"zk0 data doctor data/kitchen",
		"zk0 data doctor hf:user/cubes data/kitchen --html report.html",
		"zk0 data doctor data/kitchen --fix profile --out kitchen.json",
	],
	async run({ values, several, host, output }): Promise<ExitName> {
		checkFlags(values, several);
		const startedMs = host.now();
		const purpose = await modelPurpose(values.model, host);
		const separate: Examination[] = [];
		for (const uri of several) separate.push(await examine(uri, values, purpose, { host, output }));
		const examinations = compareExaminations(separate);
		const report = reportOf(examinations);
		if (values.html !== undefined) {
			const path = resolve(host.cwd, values.html);
			for (const { root } of examinations) checkOutside(root, path);
			await writeFileAtomic(path, renderDoctorHtml(report, examinations));
		}
		// What was found is shown even when nothing of it can be cured.
		const { fixed, failure } = await applyFix(examinations, values, purpose, { host, output }).then(
			(path) => ({ fixed: path, failure: undefined }),
			(error: unknown) => ({ fixed: null, failure: error }),
		);
		const seconds = (host.now() - startedMs) / 1000;
		const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
		output.result({ ...report, fixed, seconds }, () =>
			[
				renderDoctorText(report, paint, { isFixed: fixed !== null }),
				...(fixed === null ? [] : [`written: ${fixed}`]),
				...(values.html === undefined ? [] : [`report: ${values.html}`]),
			].join("\n"),
		);
		if (failure !== undefined) throw failure;
		const { errors, warnings } = report.summary;
		return errors > 0 ? "data-errors" : warnings > 0 ? "data-warnings" : "ok";
	},
});

function checkFlags({ fix, out, heldOut, seed }: Values, uris: readonly string[]): void {
	const complain = (message: string): never => {
		throw new CliError("bad-flag", message, { cure: "see `zk0 help data doctor`" });
	};
	if ((fix === undefined) !== (out === undefined)) complain("--fix and --out <path> go together");
	if (fix !== undefined && uris.length > 1) complain("--fix takes one dataset at a time");
	if (fix !== "profile" && (heldOut !== undefined || seed !== undefined))
		complain("--held-out and --seed are for --fix profile");
}

async function examine(
	uri: string,
	{ thorough = false }: Values,
	{ chunkSize, maxDim }: ModelPurpose,
	{ host, output }: { readonly host: Host; readonly output: Output },
): Promise<Examination> {
	const source = parseDataUri(uri, host.cwd);
	if (source.kind === "profile" || (source.kind !== "sim" && source.selection !== undefined)) {
		throw new CliError("bad-data-uri", `"${uri}": the doctor looks at whole datasets`, {
			cure: "name the dataset itself, without a question mark",
		});
	}
	const { dir, uri: located } = await locateData(uri, { host, output, everything: true });
	return await examineDataset(dir, {
		uri: source.kind === "local" ? uri : located,
		thorough,
		chunkSize,
		maxDim,
		onEpisode: (numDone, numEpisodes) => {
			if (numDone === numEpisodes || numDone % 50 === 0)
				output.line(`${uri}: looked at ${numDone} of ${numEpisodes} episodes`);
		},
		signal: host.signal,
	});
}

/** The path of what was written; null without --fix. */
async function applyFix(
	[examination]: readonly Examination[],
	{ fix, out, heldOut, seed }: Values,
	{ modelCameras }: ModelPurpose,
	{ host, output }: { readonly host: Host; readonly output: Output },
): Promise<string | null> {
	if (fix === undefined || out === undefined || examination === undefined) return null;
	const path = resolve(host.cwd, out);
	checkOutside(examination.root, path);
	if (fix === "copy") {
		const copy = await writeRepairedCopy(examination, path, {
			onEpisode: (numDone) => output.line(`wrote episode ${numDone}`),
			signal: host.signal,
		});
		return copy.root;
	}
	await checkFree(path);
	const profile = await buildProfile(examination, {
		modelCameras,
		heldOut: heldOut ?? 0.2,
		seed: seed ?? 42,
		signal: host.signal,
	});
	await writeProfile(path, { ...profile, dataset: { ...profile.dataset, uri: uriFor(examination, path) } });
	return path;
}

/** How the profile names its dataset: a folder relative to the profile, so that both can move together. */
function uriFor({ uri, root }: Examination, profilePath: string): string {
	if (/^(hf|sim):/.test(uri)) return uri;
	const path = relative(resolve(profilePath, ".."), root);
	return isAbsolute(path) ? root : path;
}
