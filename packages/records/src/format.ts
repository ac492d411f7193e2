// Numbers as people read them. A missing value is a dash, never a zero.

/** What stands for a value that is not known. */
export const MISSING = "–";

/** Losses and errors: three significant figures around one, never in exponents for ordinary sizes. */
export function formatLoss(value: number | null): string {
	if (value === null) return MISSING;
	if (!Number.isFinite(value)) return String(value);
	const size = Math.abs(value);
	if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(2);
	return value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : size >= 0.01 ? 4 : 6);
}

/** `0:07`, `12:34`, `1:02:03`. */
export function formatDuration(ms: number | null): string {
	if (ms === null) return MISSING;
	const seconds = Math.max(0, Math.round(ms / 1000));
	const pad = (value: number): string => String(value).padStart(2, "0");
	const hours = Math.floor(seconds / 3600);
	const minutes = Math.floor((seconds % 3600) / 60);
	return hours > 0 ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}` : `${minutes}:${pad(seconds % 60)}`;
}

/** `640 B`, `4.2 MB` (decimal units). */
export function formatBytes(bytes: number | null): string {
	if (bytes === null) return MISSING;
	const units = ["B", "kB", "MB", "GB", "TB"];
	let value = bytes;
	let unit = 0;
	while (value >= 1000 && unit < units.length - 1) {
		value /= 1000;
		unit++;
	}
	return `${unit === 0 ? value : value.toFixed(value >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** A rate with one decimal below one hundred. */
export function formatRate(value: number | null): string {
	return value === null ? MISSING : value.toFixed(value >= 100 ? 0 : 1);
}

/** The change from one value to another: `-27 %`, or a dash. */
export function formatChange(from: number | null, to: number | null): string {
	if (from === null || to === null || from === 0) return MISSING;
	const percent = ((to - from) / from) * 100;
	return `${percent > 0 ? "+" : percent < 0 ? "−" : ""}${Math.abs(percent).toFixed(0)} %`;
}

/** Degrees with one decimal. */
export function formatDegrees(value: number | null): string {
	return value === null ? MISSING : `${value.toFixed(1)}°`;
}
