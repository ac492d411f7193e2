// The README.md of a federated checkpoint: YAML that the hub indexes, then facts for people. Every number is from the
// run's log and record; what the record does not hold is not claimed.

import { formatBytes, formatChange, formatLoss } from "../format.ts";
import { changesOf, intervalText, percentText } from "../report/changes.ts";
import type { RunRecord } from "../run-directory/run-record.ts";
import type { RunSummary } from "../run-directory/run-summary.ts";

/** What a card is made of. */
export interface ModelCardInput {
	readonly record: RunRecord;
	readonly run: RunSummary;
	/** Round whose weights it describes. */
	readonly round: number;
	readonly modelSha256: string;
	/** Hash of the log's last line. */
	readonly logHead: string;
	/** Identifier of the hub's list, or null to state none. */
	readonly license: string | null;
	/** `<user>/<name>` on the hub, or null. */
	readonly repo: string | null;
}

/** The card as Markdown. */
export function modelCard(input: ModelCardInput): string {
	const { record, run, round, modelSha256, logHead, license, repo } = input;
	const last = run.rounds.find((one) => one.round === round);
	return [
		"---",
		...(license === null ? [] : [`license: ${license}`]),
		"library_name: lerobot",
		"pipeline_tag: robotics",
		"tags:",
		"- robotics",
		"- smolvla",
		"- federated-learning",
		...(isPublicBase(record.initial.from)
			? [`base_model: ${record.initial.from.replace(/^hf:/, "").replace(/@.*/, "")}`]
			: []),
		"---",
		"",
		`# ${repo?.split("/").at(-1) ?? `Federated SmolVLA ${run.runId ?? ""}`.trim()}`,
		"",
		`A SmolVLA policy that ${run.sites.length} sites fine-tuned together with zk0: ` +
			"only trained weights travelled, recordings stayed at the sites.",
		"",
		"| | |",
		"|---|---|",
		...table([
			["Start", `${publicName(record.initial.from)} (SHA-256 \`${record.initial.modelSha256}\`)`],
			["Strategy", run.strategy ?? "not recorded"],
			[
				"Rounds",
				`${round} of ${run.numRounds ?? "?"}, ${run.numLocalSteps ?? "?"} optimizer steps a site and round`,
			],
			["Seed", String(run.seed ?? "not recorded")],
			["Sites", run.sites.join(", ")],
			["Updates sent", run.bytesUp === null ? "not measured" : formatBytes(run.bytesUp)],
			["Weights", `SHA-256 \`${modelSha256}\``],
			["Run", `\`${run.runId ?? ""}\`, log \`${logHead}\``],
		]),
		"",
		"## Results",
		"",
		"Flow-matching loss on episodes that no site trained on, in each site's own units: compare before and after, not sites.",
		"",
		"| site | before | after | change |",
		"|---|---:|---:|---:|",
		...run.sites.map((site) => {
			const before = run.rounds.find((one) => one.round === 0)?.sites[site]?.heldOutLoss ?? null;
			const after = last?.sites[site]?.heldOutLoss ?? null;
			return `| ${oneLine(site)} | ${formatLoss(before)} | ${formatLoss(after)} | ${formatChange(before, after)} |`;
		}),
		"",
		...certainty(run, round),
		"## Use",
		"",
		"The weights are nobody's in particular: they carry no site's statistics. Bind them to the recordings of the robot " +
			"that they are to move, then use LeRobot's own commands:",
		"",
		"```",
		`zk0 model bind ${repo === null ? "<this directory>" : `hf:${repo}`} <dataset> --out bound`,
		"```",
		"",
		"## Limits",
		"",
		"Measured on held-out recordings, not on a robot. Keep motion limits on, and a hand on the switch.",
		"",
	].join("\n");
}

function certainty(run: RunSummary, round: number): string[] {
	// The intervals are of the last round.
	if (run.rounds.at(-1)?.round !== round) return [];
	const { loss, jointError } = changesOf(run);
	const degrees = (value: number): string => `${value.toFixed(2)}°`;
	const lines = [
		...(loss === null
			? []
			: [
					`Mean change of the loss over ${loss.numValues} sites: ${percentText(loss.mean)} (${intervalText(loss, percentText)}).`,
				]),
		...(jointError === null
			? []
			: [
					`Mean change of the joint error: ${degrees(jointError.mean)} (${intervalText(jointError, degrees)}).`,
				]),
	];
	return lines.length === 0 ? [] : [...lines, ""];
}

/** Where the start came from, without paths of somebody's machine. */
function publicName(from: string): string {
	return isPublicBase(from) || !from.includes("/") ? from : "a local checkpoint";
}

function isPublicBase(from: string): boolean {
	return from.startsWith("hf:");
}

function table(rows: readonly (readonly [string, string])[]): string[] {
	return rows.map(([label, value]) => `| ${oneLine(label)} | ${oneLine(value)} |`);
}

/** Text that cannot break out of a table cell. */
function oneLine(text: string): string {
	return text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|").trim();
}
