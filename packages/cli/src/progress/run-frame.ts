// The summary of a run in a frame: rounds, sites, and where everything is.
import { localAgainstJoint, type RunSummary } from "@zk0/records";
import { formatBytes, formatChange, formatDuration, formatLoss, MISSING } from "@zk0/records/format";
import { type FrameSection, renderFrame } from "./frame.ts";
import type { Paint } from "./paint.ts";

const MAX_ROUND_ROWS = 9;
const MAX_SITE_ROWS = 16;

/** The frame; `places` are names and paths shown at its end. */
export function renderRunFrame(
	run: RunSummary,
	places: readonly (readonly [string, string])[],
	paint: Paint,
): string {
	const time = formatDuration(run.seconds === null ? null : run.seconds * 1000);
	const status = {
		completed: `completed in ${time}`,
		stopped: `stopped after ${time}`,
		failed: `failed after ${time}`,
		running: `is not finished, ${time} so far`,
	}[run.status];
	const title = `Run ${run.runId ?? MISSING} ${status}`;
	const sections: FrameSection[] = [roundSection(run, paint), siteSection(run, paint)];
	if (run.failure !== null) sections.push({ header: null, rows: [[paint.bad(run.failure)]] });
	sections.push({ header: null, rows: places.map(([name, path]) => [paint.dim(name), path]) });
	return renderFrame(
		title,
		sections.filter(({ rows }) => rows.length > 0),
		paint,
	);
}

function change(from: number | null, to: number | null, paint: Paint): string {
	const text = formatChange(from, to);
	if (from === null || to === null || from === to) return text;
	return to < from ? paint.good(text) : paint.bad(text);
}

function roundSection(run: RunSummary, paint: Paint): FrameSection {
	const rows = run.rounds.map(({ round, loss, sites, bytesUp, bytesDown }) => {
		const trained = Object.values(sites).filter(({ numSamples }) => numSamples !== null).length;
		return [
			String(round),
			formatLoss(loss),
			round === 0 ? "" : change(run.initialLoss, loss, paint),
			round === 0 ? "" : `${trained}/${run.sites.length}`,
			formatBytes(bytesUp),
			formatBytes(bytesDown),
		];
	});
	const skipped = rows.length - MAX_ROUND_ROWS;
	const shown = skipped > 0 ? [...rows.slice(0, 2), ["…"], ...rows.slice(skipped + 3)] : rows;
	return {
		header: ["round", "held-out loss", "change", "sites", "up", "down"],
		rows: shown,
		align: ["right", "right", "right", "right", "right", "right"],
	};
}

function siteSection(run: RunSummary, paint: Paint): FrameSection {
	const [first] = run.rounds;
	const last = run.rounds.at(-1);
	const against = run.sites.map((site) => localAgainstJoint(run, site));
	const isLocalMeasured = against.some((one) => one !== null);
	const rows = run.sites.map((site, index) => {
		const { local = null, joint = null } = against[index] ?? {};
		const from = first?.sites[site]?.heldOutLoss ?? null;
		const to = last?.sites[site]?.heldOutLoss ?? null;
		const trained = run.rounds.flatMap((round) => round.sites[site]?.numSamples ?? []);
		const samples = trained.length === 0 ? MISSING : String(trained.reduce((sum, value) => sum + value, 0));
		const own = isLocalMeasured ? [change(local, joint, paint)] : [];
		return [site, formatLoss(from), formatLoss(to), change(from, to, paint), ...own, samples];
	});
	const shown = rows.slice(0, MAX_SITE_ROWS);
	if (rows.length > shown.length) shown.push([`and ${rows.length - shown.length} more`]);
	return {
		header: [
			"site",
			"round 0",
			"last round",
			"change",
			...(isLocalMeasured ? ["against own"] : []),
			"samples",
		],
		rows: shown,
		align: ["left", "right", "right", "right", "right", "right"],
	};
}
