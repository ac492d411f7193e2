// Every rule against a defect planted for it, and nothing else found; recordings without defects; damage that must
// not stop the examination.
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DoctorError } from "./errors.ts";
import { compareExaminations, type Examination, examineDataset } from "./examine.ts";
import { findingSchema } from "./finding.ts";
import { RULE_TABLE } from "./rules/table.ts";
import { PICTURE_PLANTS } from "./testing/picture-plants.ts";
import { LENGTHS, record } from "./testing/recording.ts";
import { ROW_PLANTS } from "./testing/row-plants.ts";

const PLANTS = [
	...ROW_PLANTS.map((plant) => ({ ...plant, on: "rows" as const })),
	...PICTURE_PLANTS.map((plant) => ({ ...plant, on: "pictures" as const })),
];
let folder: string;
const golden = (name: string): string =>
	fileURLToPath(new URL(`../../dataset/golden/${name}`, import.meta.url));
const base = (on: "pictures" | "rows"): string => join(folder, `base-${on}`);
const codesOf = ({ findings }: Examination): string[] =>
	[...new Set(findings.map(({ code }) => code))].sort();

beforeAll(async () => {
	folder = mkdtempSync(join(tmpdir(), "zk0-doctor-"));
	await record(base("rows"), { options: { cameras: [] } });
	await record(base("pictures"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("a recording without defects yields none", async () => {
	const examination = await examineDataset(base("pictures"));
	expect(examination.findings).toEqual([]);
	expect(examination.evidence?.pictures.numDecoded).toBe(2 * (40 + 44 + 40 + 42));
	expect(codesOf(await examineDataset(base("rows")))).toEqual(["state-only"]);
});

describe("a planted defect is found, and nothing else", () => {
	test.each(PLANTS)("$name: $expects", async ({ name, on, record: change, spoil, expects, episodes }) => {
		const dir = join(folder, name.replaceAll(/\W/g, "-"));
		if (change === undefined) cpSync(base(on), dir, { recursive: true });
		else {
			const cameras = on === "rows" ? { cameras: [] } : {};
			await record(dir, { lengths: LENGTHS, ...change, options: { ...cameras, ...change.options } });
		}
		await spoil?.(dir);
		const examination = await examineDataset(dir, { processes: 1 });
		const ignored = on === "rows" ? ["state-only"] : [];
		expect(codesOf(examination).filter((code) => !ignored.includes(code))).toEqual(expects);
		for (const finding of examination.findings) expect(findingSchema.safeParse(finding).success).toBe(true);
		const named = examination.findings
			.filter(({ code }) => expects.includes(code))
			.map((finding) => finding.episodes);
		expect(named).toContainEqual(episodes ?? named[0]);
		rmSync(dir, { recursive: true });
	});
});

test("every rule has a plant, and is needed by one", () => {
	const planted = new Set(PLANTS.flatMap(({ expects }) => expects));
	const elsewhere = ["state-only", "dataset-overlap"];
	expect(RULE_TABLE.map(({ code }) => code).filter((code) => !planted.has(code))).toEqual(
		RULE_TABLE.map(({ code }) => code).filter((code) => elsewhere.includes(code)),
	);
});

test("recordings of others: what is wrong with them and nothing more", async () => {
	const v3 = await examineDataset(golden("pyarrow-v3"), { chunkSize: 1 });
	expect(codesOf(v3)).toEqual(["arm-other", "state-only", "statistics-missing"]);
	const v21 = await examineDataset(golden("pyarrow-v21"), { chunkSize: 1 });
	// Its pictures are of one level, its cameras are called by their codecs, and it stores no statistics of actions.
	expect(codesOf(v21)).toEqual(["arm-other", "camera-unnamed", "frames-black", "statistics-missing"]);
});

test("episodes shared by two datasets", async () => {
	const one = await examineDataset(base("rows"), { uri: "site-a" });
	const two = await examineDataset(base("rows"), { uri: "site-b" });
	const [first, second] = compareExaminations([one, two]);
	expect(first && codesOf(first)).toEqual(["state-only"]);
	expect(second && codesOf(second)).toEqual(["dataset-overlap", "state-only"]);
	expect(second?.findings.at(-1)?.message).toContain("site-a");
	expect(second?.findings.at(-1)?.episodes).toEqual([0, 1, 2, 3]);
});

test("what is no dataset is an error that says so", async () => {
	const code = async (dir: string): Promise<string> => {
		try {
			await examineDataset(dir);
		} catch (error) {
			if (error instanceof DoctorError) return error.code;
			throw error;
		}
		return "none";
	};
	mkdirSync(join(folder, "photos"));
	writeFileSync(join(folder, "photos/cat.jpg"), "meow");
	expect(await code(join(folder, "photos"))).toBe("not-a-dataset");
	expect(await code(join(folder, "photos/cat.jpg"))).toBe("not-a-dataset");
	expect(await code(join(folder, "nowhere"))).toBe("not-found");
});

test("can be stopped", async () => {
	await expect(examineDataset(base("pictures"), { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
});
