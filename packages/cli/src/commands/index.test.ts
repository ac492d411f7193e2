import { describe, expect, test } from "vitest";
import { COMMANDS } from "./index.ts";

describe("COMMANDS", () => {
	test("no name twice, none the beginning of another", () => {
		const names = COMMANDS.map(({ path }) => path.join(" "));
		for (const name of names) {
			expect(names.filter((other) => other === name || other.startsWith(`${name} `))).toEqual([name]);
		}
	});

	test("every command loads; its summary is a sentence and its options all say what they do", async () => {
		for (const entry of COMMANDS) {
			expect(entry.summary).toMatch(/^[A-Z].*\.$/);
			const { options } = await entry.load();
			for (const option of Object.values(options)) expect(option.summary.length).toBeGreaterThan(10);
		}
	});
});
