// Every command that the documentation shows is run by a shell as its page has it, page by page: smaller where the page's
// would take hours, and on 127.0.0.1 where it names a host. What cannot run here is listed with the reason.

import { generateKeyPairSync } from "node:crypto";
import {
	chmodSync,
	cpSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type FakeHub, startFakeHub } from "@zk0/hub/testing";
import { SMALL_BASE_DIR } from "@zk0/policy";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { recordSyntheticV2 } from "../packages/dataset/src/testing/recordings-v2.ts";
import { asZk0, PAGES, shellLines } from "./doc-pages.ts";
import { CACHE_DIR, type Finished, jsonOf, startProgram, workplace } from "./zk0.ts";

const MAIN = fileURLToPath(new URL("../packages/cli/dist/main.js", import.meta.url));
const PATIENCE_MS = 120_000;

/** Lines, after their page, that do not run here, and why. */
const ELSEWHERE: readonly (readonly [line: RegExp, reason: string])[] = [
	[/: npm (install|start)$/, "the tests of the README and .ci/run run it"],
	[/: npm run bench /, "hours at full size"],
	[/: (flwr|flower-supernode|flower-superlink|ssh-keygen) /, "another project's program"],
	[/flower.md: (node|zk0 (client|run)) /, "needs Flower's own programs: tools/flower/interop.ts runs it"],
	[/: ssh /, "needs another machine"],
	[
		/: (sudo )?zk0 service /,
		"needs systemd as the first process: its own tests run it with a systemctl of theirs",
	],
	[/: zk0 completion zsh /, "a variable of zsh: its own tests run it in zsh"],
];

/** The run that was begun last. */
const NEWEST = "$(ls -t runs | head -1)";

/** What is smaller, or elsewhere, than on the page. */
const CHANGES: readonly (readonly [RegExp, string | (() => string)])[] = [
	[/--preset full/g, "--preset tiny"],
	[/--rounds \d+/g, "--rounds 1"],
	[/--(local-)?steps \d+/g, "--$1steps 2"],
	[/--save-freq \d+/g, "--save-freq 1"],
	[/--min-sites \d+/g, "--min-sites 1"],
	[/--quorum \d+/g, "--quorum 1"],
	[/round_\d+/g, "round_1"],
	[/ --address fl\.example\.org/g, " --address 127.0.0.1 --listen 127.0.0.1 --port 0"],
	[/^(zk0 server start)$/g, "$1 --address 127.0.0.1 --listen 127.0.0.1 --port 0"],
	[/0\.0\.0\.0:9093/g, "127.0.0.1:0"],
	// As a function, because $ has a meaning in a replacement.
	[/<run>/g, () => NEWEST],
];

let place: Awaited<ReturnType<typeof workplace>>;
let hub: FakeHub;
let hooks: ReturnType<typeof createServer>;
/** Documents that the webhook got. */
const hooked: string[] = [];
/** Words of a page that only this run knows. */
const known = new Map<string, string>();

const at = (...parts: string[]): string => join(place.dir, ...parts);

beforeAll(async () => {
	place = await workplace();
	for (const dir of ["bin", "home", "work/recordings", "work/data", "work/models", "backup"])
		mkdirSync(at(dir), { recursive: true });
	shim("zk0", `exec '${process.execPath}' '${MAIN}' "$@"`);
	shim("xdg-open", `echo "$@" >> '${at("opened")}'`);
	hub = await startFakeHub({ "lerobot/smolvla_base": publishedBase() });
	hooks = createServer((request, response) => {
		request.setEncoding("utf8").on("data", (text: string) => hooked.push(text));
		request.on("end", () => response.end());
	});
	await new Promise<void>((resolve) => hooks.listen(0, "127.0.0.1", resolve));
	await shell("zk0 data synth recordings/kitchen --episodes 5 --image-size 96x96 --codec h264");
	for (const copy of ["recordings/workshop", "data/kitchen", "data/lab"])
		cpSync(at("work/recordings/kitchen"), at("work", copy), { recursive: true });
	await recordSyntheticV2(at("work/data/monday"), [3, 4], { version: "v2.1", hasExtraColumns: true });
	await recordSyntheticV2(at("work/data/tuesday"), [5, 3], { version: "v2.1", hasExtraColumns: true });
	for (const helper of ["monday-v3", "tuesday-v3"]) rmSync(at("work/data", helper), { recursive: true });
	for (const [name, bytes] of Object.entries(publishedBase())) {
		mkdirSync(dirname(at("work/models/smolvla_base", name)), { recursive: true });
		writeFileSync(at("work/models/smolvla_base", name), bytes);
	}
}, PATIENCE_MS);
afterAll(async () => {
	hooks.close();
	await hub[Symbol.asyncDispose]();
	await place[Symbol.asyncDispose]();
});
afterEach(async () => {
	// Background processes of the page, with their state.
	await shell("zk0 client stop || true; zk0 server stop || true");
	rmSync(at("home/.zk0"), { recursive: true, force: true });
	known.clear();
});

function shim(name: string, body: string): void {
	writeFileSync(at("bin", name), `#!/bin/sh\n${body}\n`);
	chmodSync(at("bin", name), 0o755);
}

/** The bundled base as the hub would have it: with the camera names of SmolVLA's. */
function publishedBase(): Record<string, Uint8Array> {
	const renamed = Object.entries(filesIn(SMALL_BASE_DIR)).map(([name, bytes]) => {
		if (!/^[^/]*\.json$/.test(name)) return [name, bytes];
		const text = Buffer.from(bytes).toString("utf8").replaceAll("images.top", "images.camera1");
		return [name, Buffer.from(text.replaceAll("images.wrist", "images.camera2"))];
	});
	return Object.fromEntries(renamed);
}

function filesIn(dir: string): Record<string, Uint8Array> {
	const names = readdirSync(dir, { recursive: true, encoding: "utf8" });
	const files = names.filter((name) => statSync(join(dir, name)).isFile());
	return Object.fromEntries(files.map((name) => [name, readFileSync(join(dir, name))]));
}

function start(line: string) {
	return startProgram("bash", ["-euc", line], {
		cwd: at("work"),
		env: {
			HOME: at("home"),
			PATH: `${at("bin")}:${process.env["PATH"] ?? ""}`,
			NO_COLOR: "1",
			ZK0_CACHE_DIR: CACHE_DIR,
			HF_HOME: at("home/huggingface"),
			HF_ENDPOINT: hub.endpoint,
			HF_TOKEN: "token",
			ZK0_PRESET: "tiny",
			ZK0_EVAL_FRAMES: "2",
			ZK0_SAMPLED_FRAMES: "1",
		},
	});
}

/** Why a line did not end well; null when it did. */
const complaintOf = ({ code, stderr }: Finished): string | null =>
	code === 0 ? null : `exit ${code}: ${stderr}`;

/** What the test does beside the pages. */
async function shell(line: string): Promise<Finished> {
	const done = await start(line).finished;
	expect([line, complaintOf(done)]).toEqual([line, null]);
	return done;
}

/** Runs a line of a page. */
async function follow(line: string): Promise<Finished> {
	let changed = CHANGES.reduce(
		(text, [from, to]) => (typeof to === "string" ? text.replace(from, to) : text.replace(from, to)),
		asZk0(line),
	);
	for (const [word, meant] of known) changed = changed.replaceAll(word, meant);
	if (changed.startsWith("zk0 server start")) await shell("zk0 server stop || true");
	// Pages in a browser stay until Ctrl-C.
	const stays = /^zk0 (client page|data view)\b/.test(changed);
	const running = start(stays ? `exec ${changed}` : changed);
	if (stays) await running.printed("http://127.0.0.1:").then(() => running.child.kill("SIGINT"));
	const done = await running.finished;
	const [invitation] = /zk0:\/\/\S+/.exec(done.stdout) ?? [];
	if (line.includes("--name kitchen") && invitation !== undefined) known.set("<invitation>", invitation);
	return done;
}

async function json(line: string): Promise<Record<string, unknown>> {
	return jsonOf(await shell(`${line} --json --quiet`));
}

/** A server with an invitation for the kitchen. */
async function invite(): Promise<string> {
	await shell("zk0 server start --address 127.0.0.1 --listen 127.0.0.1 --port 0");
	return String((await json("zk0 server invite --name kitchen"))["invitation"]);
}

/** What a page takes for granted, or what happens beside one of its lines. */
interface Scene {
	readonly page: string;
	readonly before?: () => Promise<void>;
	readonly beside?: Readonly<Record<string, () => Promise<unknown>>>;
}

const SCENES: readonly Scene[] = [
	{
		page: "docs/tutorials/first-run.md",
		before: async () => {
			const { runId } = await json("zk0 simulate");
			known.set("20261123-1244-beef", String(runId));
		},
	},
	{ page: "docs/tutorials/to-the-robot.md" },
	{
		page: "docs/episode-viewer.md",
		before: async () => void known.set("--site kitchen", "--site site-a"),
	},
	{ page: "docs/predict.md" },
	{
		page: "docs/tutorials/join-as-a-site.md",
		before: async () => {
			known.set("zk0://fl.example.org:9092/kitchen/secret/fingerprint", await invite());
			const { stdout } = await shell(`ls -d runs/${NEWEST}/checkpoints/round_1/global`);
			const model = at("work", stdout.trim());
			hub.repositories.set("me/kitchen-policy", {
				files: filesIn(model),
				commit: hub.commit,
				tags: new Map(),
				isPrivate: true,
			});
			rmSync(at("work/models/kitchen"), { recursive: true, force: true });
		},
	},
	{ page: "docs/tutorials/own-data.md" },
	{ page: "docs/training.md" },
	{
		page: "docs/lora.md",
		before: async () => rmSync(at("work/models/kitchen"), { recursive: true, force: true }),
	},
	{ page: "README.md" },
	{ page: "docs/network.md" },
	{
		page: "docs/tutorials/run-a-federation.md",
		beside: {
			"zk0 server invite --name workshop": async () => {
				await shell(`zk0 client join ${known.get("<invitation>")} recordings/kitchen`);
				await shell("zk0 client start");
			},
		},
	},
	{
		page: "docs/operations.md",
		before: async () => {
			const { port } = hooks.address() as AddressInfo;
			known.set("https://hooks.example.org", `http://127.0.0.1:${port}`);
			known.set("/backup/", `${at("backup")}/`);
		},
		beside: {
			"zk0 server backup /backup/zk0.tar": async () => {
				await shell("zk0 server stop");
				rmSync(at("home/.zk0/server"), { recursive: true });
			},
			"zk0 server alert-test": async () => expect(hooked.join("")).toContain("zk0-alert-1"),
		},
	},
	{ page: "docs/dashboard.md" },
	{ page: "docs/site-page.md" },
	{
		page: "docs/flower.md",
		before: async () => {
			const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
			writeFileSync(at("work/hall.key.pub"), publicKey.export({ type: "spki", format: "pem" }));
		},
	},
	{ page: "docs/datasets.md" },
	{ page: "docs/configuration.md" },
	{ page: "docs/cli.md" },
];

const isElsewhere = (page: string, line: string): boolean =>
	ELSEWHERE.some(([pattern]) => pattern.test(`${page}: ${asZk0(line)}`));

describe("commands of the documentation", { timeout: PATIENCE_MS }, () => {
	test("are run below, page by page", () => {
		const shown = PAGES.filter((page) => shellLines(page).some((line) => !isElsewhere(page, line)));
		expect(SCENES.map(({ page }) => page).sort()).toEqual(shown);
	});

	test("that are run elsewhere still are there", () => {
		const lines = PAGES.flatMap((page) => shellLines(page).map((line) => `${page}: ${asZk0(line)}`));
		for (const [pattern] of ELSEWHERE)
			expect(
				lines.some((line) => pattern.test(line)),
				`${pattern}`,
			).toBe(true);
	});

	test.each(SCENES)("$page", async ({ page, before, beside = {} }) => {
		await before?.();
		for (const line of shellLines(page)) {
			if (isElsewhere(page, line)) continue;
			expect([line, complaintOf(await follow(line))]).toEqual([line, null]);
			await beside[line]?.();
		}
	});
});
