// Numbers and times as people read them. What is not known is a dash, never a zero.

const DASH = "–";

/** A loss with three significant digits. */
export function formatLoss(loss: number | null | undefined): string {
	return loss == null ? DASH : loss.toPrecision(3);
}

/** `12.3 MB`. */
export function formatBytes(bytes: number | null | undefined): string {
	if (bytes == null) return DASH;
	const units = ["B", "kB", "MB", "GB", "TB"];
	let value = bytes;
	let unit = 0;
	while (value >= 1000 && unit < units.length - 1) {
		value /= 1000;
		unit++;
	}
	return `${unit === 0 || value >= 100 ? Math.round(value) : value.toPrecision(3)} ${units[unit]}`;
}

/** `1 h 02 min`, `3 min 20 s`, `4.2 s`, `35 ms`. */
export function formatSeconds(seconds: number | null | undefined): string {
	if (seconds == null) return DASH;
	if (seconds > 0 && seconds < 0.1) return `${Math.ceil(seconds * 1000)} ms`;
	if (seconds < 10) return `${seconds.toFixed(1)} s`;
	if (seconds < 60) return `${Math.round(seconds)} s`;
	const whole = Math.round(seconds);
	if (seconds < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
	return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
}

/** As {@link formatSeconds}, with milliseconds below one second. */
export function formatShort(seconds: number | null | undefined): string {
	return seconds == null || seconds >= 1 ? formatSeconds(seconds) : `${Math.round(seconds * 1000)} ms`;
}

/** A count with separators. */
export function formatCount(count: number | null | undefined): string {
	return count == null ? DASH : count.toLocaleString("en-GB");
}

/** `12 %`. */
export function formatPercent(share: number | null | undefined): string {
	return share == null ? DASH : `${Math.round(share * 100)} %`;
}

/** A change against a start, with its sign: `−34 %`. */
export function formatChange(from: number | null | undefined, to: number | null | undefined): string | null {
	if (from == null || to == null || from === 0) return null;
	const percent = ((to - from) / from) * 100;
	return `${percent < 0 ? "−" : "+"}${Math.abs(percent).toFixed(Math.abs(percent) < 10 ? 1 : 0)} %`;
}

/** Day and time in the reader's zone. */
export function formatTime(iso: string | null | undefined): string {
	if (iso == null) return DASH;
	const options = { dateStyle: "medium", timeStyle: "short" } as const;
	return new Intl.DateTimeFormat(undefined, options).format(new Date(iso));
}

/** The time of day to the second. */
export function formatClock(iso: string): string {
	return new Intl.DateTimeFormat(undefined, { timeStyle: "medium" }).format(new Date(iso));
}

/** The beginning of a hash. */
export function shortHash(hash: string | null | undefined): string {
	return hash == null ? DASH : hash.slice(0, 12);
}

/** Any JSON value on one line. */
export function formatValue(value: unknown): string {
	if (value === null || value === undefined) return DASH;
	return typeof value === "string" ? value : JSON.stringify(value);
}

/** Seconds between two times. */
export function secondsBetween(from: string | null, to: string | null): number | null {
	return from === null || to === null ? null : (Date.parse(to) - Date.parse(from)) / 1000;
}
