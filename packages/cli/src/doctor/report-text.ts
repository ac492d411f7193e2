// The doctor's report for a terminal: what a dataset is, then each finding with the episodes and frames concerned and
// what to do about it.
import type { DatasetReport, DoctorReport, Finding } from "@zk0/doctor";
import { wrap } from "../help.ts";
import type { Paint } from "../progress/paint.ts";

const WIDTH = 100;
const INDENT = "      ";
/** Episodes and frames listed before "and more". */
const MAX_LISTED = 8;

/** The whole report. */
export function renderDoctorText(
	report: DoctorReport,
	paint: Paint,
	{ isFixed = false }: { readonly isFixed?: boolean } = {},
): string {
	return [
		...report.datasets.flatMap((dataset) => [...renderDataset(dataset, paint), ""]),
		verdict(report, paint, isFixed),
	].join("\n");
}

/** "2 errors, 1 warning", or that nothing is wrong. */
export function countsText({ errors, warnings, infos }: DoctorReport["summary"]): string {
	const parts = [
		[errors, "error"],
		[warnings, "warning"],
		[infos, "info"],
	] as const;
	const named = parts.filter(([count]) => count > 0).map(([count, noun]) => plural(count, noun));
	return named.length === 0 ? "nothing to complain about" : named.join(", ");
}

function verdict({ summary, datasets }: DoctorReport, paint: Paint, isFixed: boolean): string {
	const text = countsText(summary);
	const decorated =
		summary.errors > 0 ? paint.bad(text) : summary.warnings > 0 ? paint.warn(text) : paint.good(text);
	const sampled = datasets.some(({ facts }) => facts !== null && facts.picturesDecoded < facts.pictures);
	const canFix =
		!isFixed &&
		datasets.some(({ findings }) =>
			findings.some(({ fix, severity }) => fix !== "manual" && severity !== "info"),
		);
	return [
		decorated,
		...(sampled ? [paint.dim("pictures were sampled; --thorough decodes every one")] : []),
		...(canFix
			? [
					paint.dim(
						"--fix profile --out site.json, or --fix copy --out <dir>, applies the cures that are safe",
					),
				]
			: []),
	].join("\n");
}

function renderDataset({ uri, facts, findings, quarantine }: DatasetReport, paint: Paint): string[] {
	const lines = [paint.bold(uri)];
	if (facts !== null) {
		lines.push(`  ${factsText(facts)}`);
		for (const { key, role, roleFrom, codec, height, width } of facts.cameras) {
			const seen = roleFrom === "pictures" ? ", by its pictures" : "";
			const what = role === null ? "role unknown" : `${role} camera${seen}`;
			const size = height === null || width === null ? "no picture" : `${height}x${width}`;
			lines.push(`  ${key}: ${[what, size, ...(codec === null ? [] : [codec])].join(", ")}`);
		}
		const { state, action } = facts.units;
		if (state !== null || action !== null) lines.push(`  joints: ${unitText(state ?? action)}`);
	}
	for (const severity of ["error", "warning", "info"] as const) {
		for (const finding of findings.filter((one) => one.severity === severity))
			lines.push("", ...renderFinding(finding, paint));
	}
	if (quarantine.length > 0) {
		const episodes = quarantine.map(({ episode }) => episode);
		lines.push("", `  ${plural(episodes.length, "episode")} to leave out: ${listed(episodes)}`);
	}
	return lines;
}

function factsText({
	format,
	robotType,
	fps,
	episodes,
	frames,
	picturesDecoded,
}: NonNullable<DatasetReport["facts"]>): string {
	const many = episodes === null ? "" : `${plural(episodes, "episode")}, `;
	return [
		`LeRobot ${format}`,
		...(robotType === null ? [] : [robotType]),
		`${many}${plural(frames, "frame")} at ${fps} fps`,
		`${plural(picturesDecoded, "picture")} looked at`,
	].join(" · ");
}

function unitText(unit: string | null): string {
	if (unit === "degrees-or-normalised")
		return "degrees, or -100..100 of their range (the numbers do not tell)";
	return unit === "normalised" ? "-100..100 of their range" : (unit ?? "");
}

function renderFinding(finding: Finding, paint: Paint): string[] {
	const { severity, code, message, cure } = finding;
	const decorate = (text: string): string =>
		severity === "error" ? paint.bad(text) : severity === "warning" ? paint.warn(text) : paint.accent(text);
	const place = placeText(finding);
	const block = (text: string): string[] =>
		wrap(text, WIDTH - INDENT.length).map((line) => `${INDENT}${line}`);
	return [
		`  ${decorate(severity)} ${paint.bold(code)}${finding.camera === null ? "" : ` ${finding.camera}`}`,
		...block(message),
		...(place === "" ? [] : block(place).map((line) => paint.dim(line))),
		...block(`→ ${cure}`),
	];
}

/** "episodes 3, 7 · frames of 3: 12, 13, 14 · data/file-000.parquet" */
export function placeText({ episodes, frames, file }: Finding): string {
	const [first] = frames;
	return [
		...(episodes.length === 0
			? []
			: [`${episodes.length === 1 ? "episode" : "episodes"} ${listed(episodes)}`]),
		...(first === undefined || first.frames.length === 0
			? []
			: [`frames of ${first.episode}: ${listed(first.frames, first.count)}`]),
		...(file === null ? [] : [file]),
	].join(" · ");
}

function listed(items: readonly number[], count = items.length): string {
	const shown = items.slice(0, MAX_LISTED);
	const more = count - shown.length;
	return `${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function plural(count: number, noun: string): string {
	return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
