// The live picture of a run as terminal lines, one per site, and the region of the screen that shows it.

import { formatChange, formatDuration, formatLoss, formatRate } from "@zk0/records/format";
import type { TextStream } from "../host.ts";
import { cutVisible, type Paint, padVisible } from "./paint.ts";
import { type RunProgress, runEtaMs, type SiteProgress, siteEtaMs } from "./run-progress.ts";

const MAX_NAME_WIDTH = 24;
/** Lines of the region that are not sites. */
const OTHER_LINES = 6;
const BAR_WIDTH = 24;

/** A bar of `width` cells, of which `fraction` is filled. */
export function renderBar(fraction: number, width: number, paint: Paint): string {
	const filled = Math.round(Math.min(1, Math.max(0, fraction)) * width);
	return paint.accent("━".repeat(filled)) + paint.dim("─".repeat(width - filled));
}

/** The lines of the live region, no more than `rows`: a taller one could not be redrawn in place. */
export function renderLive(
	progress: RunProgress,
	options: { readonly nowMs: number; readonly paint: Paint; readonly rows: number },
): string[] {
	const { nowMs, paint } = options;
	const sites = [...progress.sites.values()];
	const nameWidth = Math.min(MAX_NAME_WIDTH, Math.max(...sites.map(({ site }) => site.length)));
	const shown = sites.slice(0, Math.max(1, options.rows - OTHER_LINES));
	const lines = [
		renderHeadline(progress, options),
		...shown.map((site) => renderSite(site, { ...options, nameWidth })),
	];
	if (sites.length > shown.length) lines.push(paint.dim(`  and ${sites.length - shown.length} more sites`));
	const first = progress.losses[0] ?? null;
	const last = progress.losses.at(-1) ?? null;
	if (progress.losses.length > 0) {
		const change = progress.losses.length > 1 ? `  ${formatChange(first, last)}` : "";
		lines.push(
			paint.dim("  held-out loss  ") + `${progress.losses.map(formatLoss).join(paint.dim(" → "))}${change}`,
		);
	}
	lines.push(paint.dim(`  ${formatDuration(nowMs - progress.startedMs)} elapsed`));
	return lines;
}

function renderHeadline(
	progress: RunProgress,
	options: { readonly nowMs: number; readonly paint: Paint },
): string {
	const { paint, nowMs } = options;
	if (progress.round === null) return paint.bold("Preparing");
	if (progress.round === 0) return paint.bold("Measuring the initial model");
	const finished = Math.max(0, progress.losses.length - 1);
	const left = runEtaMs(progress, nowMs);
	const eta = left === null ? "" : paint.dim(`  about ${formatDuration(left)} left`);
	const bar = renderBar(finished / progress.rounds, BAR_WIDTH, paint);
	return `${paint.bold(`Round ${progress.round} of ${progress.rounds}`)}  ${bar}${eta}`;
}

function renderSite(
	site: SiteProgress,
	options: { readonly nowMs: number; readonly paint: Paint; readonly nameWidth: number },
): string {
	const { paint, nameWidth, nowMs } = options;
	const name = padVisible(cutVisible(site.site, nameWidth), nameWidth);
	if (site.phase === "failed") return `  ${name}  ${paint.bad("failed")}  ${site.reason ?? ""}`;
	const phase = padVisible(site.phase === "done" ? paint.good("done") : site.phase, 10);
	const count = site.done === null || site.total === null ? "" : `${site.done}/${site.total}`;
	const loss = site.loss === null ? "" : `loss ${formatLoss(site.loss)}`;
	const rate = site.samplesPerSecond === null ? "" : `${formatRate(site.samplesPerSecond)} samples/s`;
	const left = site.phase === "done" ? null : siteEtaMs(site, nowMs);
	const eta = left === null ? "" : `eta ${formatDuration(left)}`;
	const columns = [padVisible(count, 9, "right"), padVisible(loss, 12), padVisible(rate, 16), eta];
	return `  ${name}  ${phase}${columns.join("  ")}`.trimEnd();
}

/** A block of lines at the bottom of a terminal that is redrawn in place. */
export interface LiveRegion extends Disposable {
	/** Replaces the block. */
	draw(lines: readonly string[]): void;
	/** Prints a line above the block that stays. */
	print(line: string): void;
	/** Removes the block and shows the cursor again. */
	clear(): void;
}

/** A live region on a terminal stream. */
export function createLiveRegion(stream: TextStream): LiveRegion {
	let shown: readonly string[] = [];
	const erase = (): string => (shown.length === 0 ? "" : `\u001B[${shown.length}A\r\u001B[J`);
	const draw = (lines: readonly string[]): void => {
		const cut = lines.map((line) => cutVisible(line, stream.columns));
		stream.write(`${shown.length === 0 ? "\u001B[?25l" : ""}${erase()}${cut.join("\n")}\n`);
		shown = cut;
	};
	const clear = (): void => {
		if (shown.length > 0) stream.write(`${erase()}\u001B[?25h`);
		shown = [];
	};
	return {
		draw,
		clear,
		print(line) {
			const kept = shown;
			clear();
			stream.write(`${line}\n`);
			if (kept.length > 0) draw(kept);
		},
		[Symbol.dispose]: clear,
	};
}
