// Files of a dataset with bytes changed, cut off or filled with something else: the examination always ends, with
// findings or with the error for what is no dataset, and finds something whenever training could not open it.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDataset } from "@zk0/dataset";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DoctorError } from "./errors.ts";
import { examineDataset } from "./examine.ts";
import { record } from "./testing/recording.ts";

let folder: string;
let files: string[];

beforeAll(async () => {
	folder = mkdtempSync(join(tmpdir(), "zk0-mutation-"));
	await record(join(folder, "base"), { options: { cameras: [] }, lengths: [20, 20] });
	files = readdirSync(join(folder, "base"), { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile())
		.map((entry) => join(entry.parentPath, entry.name).slice(join(folder, "base").length));
});
afterAll(() => rmSync(folder, { recursive: true }));

const edit = fc.oneof(
	fc.record({ kind: fc.constant("cut" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
	fc.record({
		kind: fc.constant("bytes" as const),
		changes: fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255)), {
			minLength: 1,
			maxLength: 8,
		}),
	}),
	fc.record({
		kind: fc.constant("digits" as const),
		number: fc.constantFrom("-1", "1e300", "99999999999", "null", '"x"', "[]", "{}", "0.5"),
	}),
);

async function canTrain(dir: string): Promise<boolean> {
	try {
		await (await openDataset(dir)).readRows();
		return true;
	} catch {
		return false;
	}
}

test("never throws anything but its own error, and always ends", async () => {
	const dir = join(folder, "mutated");
	await fc.assert(
		fc.asyncProperty(fc.nat(1000), edit, async (choice, change) => {
			rmSync(dir, { recursive: true, force: true });
			cpSync(join(folder, "base"), dir, { recursive: true });
			const path = join(dir, files[choice % files.length] ?? "");
			const bytes = readFileSync(path);
			if (change.kind === "cut")
				writeFileSync(path, bytes.subarray(0, Math.floor(bytes.length * change.share)));
			else if (change.kind === "bytes") {
				for (const [place, value] of change.changes) bytes[Math.floor(place * bytes.length)] = value;
				writeFileSync(path, bytes);
			} else {
				// One number of a JSON file becomes something else.
				const text = bytes.toString("latin1");
				const numbers = [...text.matchAll(/(?<=[:[ ])\d+(?=[,\s\]}])/g)];
				const at = numbers[choice % Math.max(1, numbers.length)];
				if (at === undefined) return;
				writeFileSync(
					path,
					text.slice(0, at.index) + change.number + text.slice(at.index + at[0].length),
					"latin1",
				);
			}
			const startedMs = performance.now();
			const found = await examineDataset(dir).catch((error: unknown) => error);
			expect(performance.now() - startedMs).toBeLessThan(10_000);
			if (found instanceof DoctorError) return;
			expect(found).toHaveProperty("findings");
			const codes = found instanceof Object && "findings" in found ? JSON.stringify(found.findings) : "";
			expect((await canTrain(dir)) || /"severity":"error"/.test(codes)).toBe(true);
		}),
		{ numRuns: 30 },
	);
});
