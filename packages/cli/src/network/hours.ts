// Hours of the day in which a site works: `22:00-06:00,12:00-13:00`, by the clock of its machine.
import type { SiteHours } from "@zk0/federation";

interface Window {
	/** Minutes after midnight; the end is not part of it. */
	readonly from: number;
	readonly to: number;
}

const WINDOW = /^([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-4]):([0-5]\d)$/;
const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;

/** True for text that `hoursAt` reads. */
export function areHours(text: string): boolean {
	return text.split(",").every((part) => WINDOW.test(part.trim()));
}

/** Whether a site with these hours works at a time. @throws RangeError unless `areHours` */
export function hoursAt(text: string): (nowMs: number) => SiteHours {
	const windows = text.split(",").map(parseWindow);
	const isOpenAt = (timeMs: number): boolean => {
		const time = new Date(timeMs);
		const minute = time.getHours() * 60 + time.getMinutes();
		return windows.some(({ from, to }) =>
			from < to ? minute >= from && minute < to : minute >= from || minute < to,
		);
	};
	return (nowMs) => {
		const isOpen = isOpenAt(nowMs);
		// Minute by minute, so that a change of daylight saving time is nothing special.
		let changesAtMs = (Math.floor(nowMs / MINUTE_MS) + 1) * MINUTE_MS;
		for (let minutes = 0; minutes < DAY_MINUTES && isOpenAt(changesAtMs) === isOpen; minutes++)
			changesAtMs += MINUTE_MS;
		const at = new Date(changesAtMs).toTimeString().slice(0, 5);
		return { isOpen, changesAtMs, reason: isOpen ? "" : `outside its hours (${text}) until ${at}` };
	};
}

function parseWindow(part: string): Window {
	const [, fromHour, fromMinute, toHour, toMinute] = WINDOW.exec(part.trim()) ?? [];
	if (fromHour === undefined) throw new RangeError(`hours: "${part}" is not <hh:mm>-<hh:mm>`);
	return {
		from: Number(fromHour) * 60 + Number(fromMinute),
		to: Number(toHour) * 60 + Number(toMinute),
	};
}
