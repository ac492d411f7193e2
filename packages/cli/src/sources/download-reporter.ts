// Shows a download while it goes: a line that is redrawn on a terminal, a line at every tenth of the way elsewhere.
import type { DownloadProgress } from "@zk0/hub";
import { formatBytes, formatDuration, formatRate } from "@zk0/records/format";
import type { Host, TextStream } from "../host.ts";
import { createLiveRegion } from "../progress/live.ts";

const REDRAW_MS = 200;
/** Downloads below this are not worth a line. */
const MIN_BYTES = 1_000_000;

/** Whoever watches a download. */
export interface DownloadReporter extends Disposable {
	readonly progress: (progress: DownloadProgress) => void;
}

/** A reporter of the download of `repo`; without a stream it is silent. */
export function createDownloadReporter(
	repo: string,
	stream: TextStream | undefined,
	host: Host,
): DownloadReporter {
	if (stream === undefined) return { progress: () => undefined, [Symbol.dispose]: () => undefined };
	const region = stream.isTTY && host.env["TERM"] !== "dumb" ? createLiveRegion(stream) : null;
	const startedMs = host.now();
	let shownMs = startedMs;
	let tenth = 0;
	/** Bytes that were there when this began count for the way, not for the speed. */
	let firstBytes: number | null = null;
	const text = (
		{ bytesDone, bytesTotal, filesDone, filesTotal }: DownloadProgress,
		nowMs: number,
	): string => {
		const seconds = (nowMs - startedMs) / 1000;
		const speed = seconds > 0 ? (bytesDone - (firstBytes ?? 0)) / 1e6 / seconds : 0;
		const left = speed > 0 ? `, ${formatDuration(((bytesTotal - bytesDone) / 1e6 / speed) * 1000)} left` : "";
		return (
			`${repo}: ${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}, ` +
			`file ${Math.min(filesDone + 1, filesTotal)} of ${filesTotal}, ${formatRate(speed)} MB/s${left}`
		);
	};
	return {
		progress(progress) {
			firstBytes ??= progress.bytesDone;
			if (progress.bytesTotal < MIN_BYTES) return;
			const nowMs = host.now();
			const isDone = progress.filesDone === progress.filesTotal;
			if (region !== null) {
				if (nowMs - shownMs < REDRAW_MS && !isDone) return;
				shownMs = nowMs;
				region.draw([text(progress, nowMs)]);
			} else {
				const reached = Math.floor((10 * progress.bytesDone) / progress.bytesTotal);
				if (reached === tenth) return;
				tenth = reached;
				stream.write(`${text(progress, nowMs)}\n`);
			}
		},
		[Symbol.dispose]() {
			region?.clear();
		},
	};
}
