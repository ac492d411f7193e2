// `zk0 data doctor` and `zk0 data profile` through the command line, and a profile's way into a checkpoint.
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openDataset } from "@zk0/dataset";
import { rewriteTable } from "@zk0/dataset/testing";
import { examineDataset, readProfile, reportSchema } from "@zk0/doctor";
import { record } from "@zk0/doctor/testing";
import { openCheckpoint } from "@zk0/policy";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { EXIT_CODES } from "../exit-codes.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { COMMANDS } from "./index.ts";

let folder: string;
const model = fileURLToPath(new URL("../../../policy/assets/small-base", import.meta.url));
const DATA = "data/chunk-000/file-000.parquet";

beforeAll(async () => {
	folder = mkdtempSync(join(tmpdir(), "zk0-doctor-cli-"));
	await record(join(folder, "good"));
	const old = join(folder, "old");
	cpSync(join(folder, "good"), old, { recursive: true });
	const info = join(old, "meta/info.json");
	writeFileSync(info, readFileSync(info, "utf8").replaceAll(/"(\w+)\.pos"/g, '"main_$1"'));
	const numbers = z.array(z.number());
	await rewriteTable(join(old, DATA), (rows) =>
		rows.map((row, at) =>
			at === 100 ? { ...row, action: numbers.parse(row["action"]).with(0, Number.NaN) } : row,
		),
	);
});
afterAll(() => rmSync(folder, { recursive: true }));

async function run(line: string) {
	const host = captureHost({ cwd: folder });
	const code = await runCli(line.split(" "), host, { commands: COMMANDS, version: "0" });
	return { code, out: host.out(), err: host.err() };
}

/** A hash over every file of a folder. */
function hashOf(dir: string): string {
	const hash = createHash("sha256");
	for (const name of readdirSync(dir, { recursive: true, withFileTypes: true })) {
		if (name.isFile()) hash.update(readFileSync(join(name.parentPath, name.name)));
	}
	return hash.digest("hex");
}

test("good recordings: exit 0, a document of the schema, a page without links", async () => {
	const { code, out } = await run("data doctor good --json --html report.html");
	expect(code).toBe(EXIT_CODES.ok.code);
	const { fixed, seconds, ...report } = z.looseObject({}).parse(JSON.parse(out));
	expect([fixed, typeof seconds]).toEqual([null, "number"]);
	expect(reportSchema.parse(report).summary).toEqual({ errors: 0, warnings: 0, infos: 0 });
	const page = readFileSync(join(folder, "report.html"), "utf8");
	expect(page.match(/data:image\/png;base64,/g)).toHaveLength(2);
	expect(page).toContain("Nothing is wrong");
	expect(page.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|<script|<link/);
	expect((await run("data doctor good good --thorough")).out).toContain("dataset-overlap");
});

test("bad recordings: findings with episodes and cures, exit by severity, the original untouched", async () => {
	const before = hashOf(join(folder, "old"));
	const { code, out } = await run("data doctor old --fix copy --out copy --html bad.html");
	expect(code).toBe(EXIT_CODES["data-errors"].code);
	expect(out).toMatch(/error not-finite[\s\S]*episode 2 · frames of 2: 16[\s\S]*→ Leave the episodes out/);
	expect(out).toMatch(/warning convention-old[\s\S]*90 - x/);
	expect(readFileSync(join(folder, "bad.html"), "utf8")).toContain("not-finite");
	expect(hashOf(join(folder, "old"))).toBe(before);

	const copy = await openDataset(join(folder, "copy"));
	expect([copy.numEpisodes, copy.numFrames]).toEqual([3, 40 + 44 + 42]);
	const { findings } = await examineDataset(copy.root);
	expect(findings.map((finding) => finding.code)).toEqual(["convention-old"]);
	expect((await run("data doctor copy")).code).toBe(EXIT_CODES["data-warnings"].code);
});

test("a profile: shown, bound into a checkpoint, refused for other recordings", async () => {
	expect((await run("data doctor old --fix profile --out site.json --quiet")).code).toBe(13);
	const profile = await readProfile(join(folder, "site.json"));
	expect(profile.quarantined).toEqual([{ episode: 2, codes: ["not-finite"] }]);
	expect(profile.dataset).toMatchObject({ uri: "old", episodes: 3, frames: 126 });
	const { out } = await run("data profile site.json");
	expect(out).toContain("main_shoulder_lift: 90 - recorded");
	expect(out).toContain("2: not-finite");

	const bound = await run(`model bind ${model} site.json --out bound`);
	expect(bound.err).toBe("");
	using checkpoint = await openCheckpoint(join(folder, "bound"));
	const { mean, std } = checkpoint.stats["action"] ?? {};
	const signs = Array.from(std ?? [], Math.sign);
	// The old convention counts shoulder_lift the other way; zeros fold into the mean, which stays as recorded.
	expect(signs).toEqual([1, -1, 1, 1, 1, 1]);
	expect(mean?.[2]).toBeCloseTo(profile.statistics["action"]?.mean[2] ?? Number.NaN, 4);

	writeFileSync(join(folder, "typo.json"), JSON.stringify({ ...profile, heldOut: undefined, heldout: [] }));
	const typo = await run("data profile typo.json");
	expect(typo.code).toBe(EXIT_CODES.config.code);
	expect(typo.err).toContain('unknown key "heldout"; did you mean "heldOut"?');

	const other = { ...profile, dataset: { ...profile.dataset, fingerprint: "0".repeat(64) } };
	writeFileSync(join(folder, "other.json"), JSON.stringify(other));
	const refused = await run(`model bind ${model} other.json --out elsewhere`);
	expect(refused.code).toBe(EXIT_CODES.dataset.code);
	expect(refused.err).toContain("profile-mismatch");
});

test("refuses flags that contradict, places inside the dataset, and what is no dataset", async () => {
	const inside = await run("data doctor good --fix copy --out good/copy");
	expect([inside.code, inside.err.includes("never changed")]).toEqual([EXIT_CODES.storage.code, true]);
	expect((await run("data doctor good --fix copy")).err).toContain("--out");
	expect((await run("data doctor good old --fix profile --out x.json")).err).toContain("one dataset");
	expect((await run("data doctor")).err).toContain("<dataset>");
	expect((await run("data doctor local:good?episodes=0")).err).toContain("whole datasets");
	expect((await run("data doctor nowhere")).err).toContain("not-found");
	writeFileSync(join(folder, "taken.json"), "{}");
	expect((await run("data doctor good --fix profile --out taken.json")).code).toBe(EXIT_CODES.storage.code);
});
