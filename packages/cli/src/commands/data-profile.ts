// `zk0 data profile <file>`: what a site's profile says, checked and in words.
import { resolve } from "node:path";
import { readProfile, type SiteProfile } from "@zk0/doctor";
import { defineCommand } from "../command.ts";
import { renderFrame } from "../progress/frame.ts";
import { createPaint, type Paint, wantsColour } from "../progress/paint.ts";

/** The command. */
export const dataProfile = defineCommand({
	positionals: [{ name: "file", summary: "a profile from `zk0 data doctor --fix profile`" }],
	options: {},
	examples: ["zk0 data profile kitchen.json"],
	async run({ named, host, output }) {
		const path = resolve(host.cwd, named["file"] ?? "");
		const profile = await readProfile(path, { signal: host.signal });
		const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
		output.result(profile, () => renderProfile(profile, paint));
	},
});

function renderProfile(profile: SiteProfile, paint: Paint): string {
	const { dataset, cameras, emptyCameras, units, statistics, quarantined, heldOut } = profile;
	const pairs = Object.entries(cameras).map(([from, to]) => `${from} → ${to}`);
	const row = (name: string, values: readonly string[]): string[][] =>
		values.map((value, at) => [at === 0 ? paint.dim(name) : "", value]);
	const unitRows = (name: string, joints: SiteProfile["units"]["state"]): string[][] =>
		row(
			name,
			(joints ?? [])
				.filter(({ scale, offset }) => scale !== 1 || offset !== 0)
				.map(({ joint, scale, offset }) => `${joint}: ${mapText(scale, offset)}`),
		);
	const sections = [
		[
			...row("dataset", [dataset.uri]),
			...row("episodes", [`${dataset.episodes} used, ${dataset.frames} frames`]),
			...row("held out", [heldOut.length === 0 ? "none" : heldOut.join(", ")]),
			...row(
				"left out",
				quarantined.length === 0
					? ["none"]
					: quarantined.map(({ episode, codes }) => `${episode}: ${codes.join(", ")}`),
			),
		],
		[...row("cameras", pairs.length === 0 ? ["none"] : pairs), ...row("stay dark", emptyCameras)],
		[
			...(units.state === null && units.action === null ? row("units", ["degrees, as recorded"]) : []),
			...unitRows("state", units.state),
			...unitRows("action", units.action),
			...row("statistics", [`of ${Object.keys(statistics).join(", ")}; they stay at the site`]),
		],
	];
	return renderFrame(
		"Site profile",
		sections.map((rows) => ({ header: null, rows })),
		paint,
	);
}

/** "90 - recorded", "57.3 × recorded - 180" */
function mapText(scale: number, offset: number): string {
	const size = Math.abs(scale);
	const term = size === 1 ? "recorded" : `${Number(size.toPrecision(4))} × recorded`;
	const shift = Number(Math.abs(offset).toPrecision(6));
	if (scale < 0) return `${offset === 0 ? "" : `${offset < 0 ? "-" : ""}${shift} `}- ${term}`;
	return offset === 0 ? term : `${term} ${offset < 0 ? "-" : "+"} ${shift}`;
}
