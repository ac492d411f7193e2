import { describe, expect, test } from "vitest";
import { areHours, hoursAt } from "./hours.ts";

/** A time of this machine's day. */
const at = (text: string): number => new Date(`2026-11-23T${text}:00`).getTime();

describe("hours", () => {
	test("over midnight, and several windows", () => {
		const hours = hoursAt("22:00-06:00, 12:00-13:00");
		expect(hours(at("23:30"))).toMatchObject({
			isOpen: true,
			changesAtMs: at("23:59") + 6 * 3_600_000 + 60_000,
		});
		expect(hours(at("12:59"))).toMatchObject({ isOpen: true, changesAtMs: at("13:00") });
		expect(hours(at("13:00"))).toEqual({
			isOpen: false,
			changesAtMs: at("22:00"),
			reason: "outside its hours (22:00-06:00, 12:00-13:00) until 22:00",
		});
		expect(hours(at("06:00")).isOpen).toBe(false);
	});

	test("what is no hours is not taken", () => {
		for (const text of ["", "22-6", "25:00-06:00", "22:00", "22:00-06:60", "22:00-06:00;"]) {
			expect(areHours(text)).toBe(false);
			expect(() => hoursAt(text)).toThrow(RangeError);
		}
		expect(areHours("0:00-24:00")).toBe(true);
		expect(hoursAt("0:00-24:00")(at("12:00")).isOpen).toBe(true);
	});
});
