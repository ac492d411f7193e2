// A site joins a real federation on its own page, in a real browser, and sees its first rounds: a server, the page's
// process and the client that the page starts. What the progress page shows is compared with the server's event log. With
// ZK0_SCREENSHOTS=1 the pictures in docs/images are taken anew.
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type RoundEvent, verifyEventLog } from "@zk0/federation";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { listKeptRounds } from "../packages/cli/src/network/kept-rounds.ts";
import { recordSynthetic } from "../packages/dataset/src/testing/recordings.ts";
import { requireTool } from "../packages/dataset/src/testing/require-tool.ts";
import { CHROMIUM, openPage, startBrowser, type WatchedPage } from "./browser.ts";
import { CACHE_DIR, type Running, type Workplace, workplace, zk0 } from "./zk0.ts";

/** The recordings that other end-to-end tests use, too. */
const RECORDINGS = "sim:site-a?episodes=5&seed=7&size=96x96";
const ROUNDS = 2;
const PATIENCE_MS = 240_000;
/** A step downloads nothing, but decodes, compiles and trains. */
const STEP_PATIENCE_MS = 60_000;
/** What joining may take, from starting the page to the first training step. */
const JOIN_LIMIT_S = 120;
const IMAGES = fileURLToPath(new URL("../docs/images", import.meta.url));

let place: Workplace;
let server: Running;
let browser: Browser | undefined;
let watched: WatchedPage;
let page: Page;
let origin = "";
let runId = "";
let invitation = "";
let hasJoined = false;
let hasLeft = false;

beforeAll(async () => {
	place = await workplace();
}, PATIENCE_MS);
afterAll(async () => {
	await browser?.close();
	if (!hasLeft) await zk0(["client", "stop", "--state", "kitchen"], place.dir);
	await place[Symbol.asyncDispose]();
}, PATIENCE_MS);

async function picture(name: string): Promise<void> {
	expect(await watched.findings()).toEqual([]);
	if (process.env["ZK0_SCREENSHOTS"] !== "1") return;
	await mkdir(IMAGES, { recursive: true });
	await page.waitForTimeout(400);
	await page.screenshot({ path: join(IMAGES, `site-page-${name}.png`), fullPage: true });
}

const button = (name: string) => page.getByRole("button", { name, exact: true });
const onward = (name: string) =>
	button("Continue")
		.click()
		.then(() => page.getByRole("heading", { name }).waitFor());

test("a site joins on its page, from the pasted invitation to its first training step", {
	timeout: PATIENCE_MS,
}, async (context) => {
	requireTool(context, CHROMIUM, ["--version"]);
	// A dataset that is listed and cannot be opened.
	const meta = join(place.dir, "recordings", "drawer", "meta");
	await mkdir(meta, { recursive: true });
	await writeFile(join(meta, "info.json"), '{"total_episodes":12,"total_frames":3600,"robot_type":"so100"}');
	// One that opens, and in which the doctor finds errors: it was recorded at another rate.
	const lab = join(place.dir, "recordings", "lab");
	await recordSynthetic(lab, [8]);
	const info = join(lab, "meta", "info.json");
	await writeFile(info, (await readFile(info, "utf8")).replace('"fps": 10', '"fps": 20'));
	// What opens browsers here writes down what it is told to open.
	const bin = join(place.dir, "bin");
	await mkdir(bin);
	await writeFile(join(bin, "xdg-open"), '#!/bin/sh\nprintf %s "$1" > opened\n', { mode: 0o755 });
	const words = "server start --foreground --state server --listen 127.0.0.1 --address 127.0.0.1 --port 0";
	server = place.start(words.split(" "));
	[browser] = await Promise.all([startBrowser(), server.printed("serving at")]);

	const beganMs = performance.now();
	// The recordings of all tests, but a folder of its own for predictions: same seed, same weights, same prediction.
	const cache = join(place.dir, "cache");
	for (const dir of [cache, join(CACHE_DIR, "recordings")]) await mkdir(dir, { recursive: true });
	await symlink(join(CACHE_DIR, "recordings"), join(cache, "recordings"));
	const opening = ["client", "page", "--open", "--state", "kitchen", "--folder", "recordings"];
	const path = `${bin}:${process.env["PATH"] ?? ""}`;
	const served = place.start(opening, { ZK0_CACHE_DIR: cache, PATH: path });
	const run = `run --preset tiny --init random --seed 7 --eval-frames 4 --sampled-frames 1 --rounds ${ROUNDS} --detach`;
	const [invited, begun] = await Promise.all([
		place.operator("server", "invite", "--name", "kitchen"),
		place.operator(...run.split(" ")),
		served.printed("this site's page: http"),
	]);
	runId = String(begun["runId"]);
	invitation = String(invited["invitation"]);
	const opened = (): Promise<string> => readFile(join(place.dir, "opened"), "utf8").catch(() => "");
	await expect.poll(opened, { timeout: STEP_PATIENCE_MS }).toMatch(/^http:\S+$/);
	const link = await opened();
	expect(served.stdout()).toContain(link);
	origin = new URL(link).origin;
	watched = await openPage(browser, origin);
	({ page } = watched);
	page.setDefaultTimeout(STEP_PATIENCE_MS);
	await page.goto(link);
	await page.getByRole("heading", { name: "Join a federation" }).waitFor();
	await page.waitForURL(`${origin}/join/invitation`);
	await picture("invitation");

	const line = page.getByLabel("Invitation", { exact: true });
	await line.fill("zk0://not-whole");
	await button("Look at it").click();
	await page.getByText("that is not a whole invitation").waitFor();
	await line.fill(invitation);
	await button("Look at it").click();
	await page.getByText("server found").waitFor();
	await page.getByText(invitation.slice(-64)).waitFor();
	await onward("2. The recordings");

	await page.getByText("3,600").waitFor();
	await button("Choose drawer").click();
	await page.getByRole("alert").waitFor();
	await takeErrorsOn();
	await page.getByLabel("Or name them").fill(RECORDINGS);
	await button("Open").click();
	// Those before were open, too.
	await page
		.getByRole("region", { name: "Chosen recordings" })
		.getByText(RECORDINGS, { exact: true })
		.waitFor();
	await page.getByText("opened", { exact: true }).waitFor();
	await picture("recordings");
	await onward("3. The cameras");

	await page
		.getByRole("img", { name: /sees in the middle/ })
		.nth(1)
		.waitFor();
	await page.getByLabel("top is the policy’s").selectOption("observation.images.wrist");
	await button("These are right").click();
	await page.getByText("both lead to observation.images.wrist").waitFor();
	await page.getByLabel("top is the policy’s").selectOption("observation.images.top");
	await picture("cameras");
	await button("These are right").click();
	await onward("4. Data check");

	await button("Examine again").waitFor({ timeout: PATIENCE_MS });
	await picture("doctor");
	await onward("5. A test step");
	await button("Take a step").click();
	await page.getByText("A round takes about").waitFor({ timeout: PATIENCE_MS });
	await picture("trial");
	await onward("6. Join");
	await picture("go");
	await button("Join and start").click();
	await page.getByRole("heading", { name: "kitchen", level: 1 }).waitFor({ timeout: PATIENCE_MS });
	await page.waitForURL(`${origin}/progress`);
	await expect
		.poll(() => readActivity().then(({ rounds }) => rounds.some(({ trainLoss }) => trainLoss !== null)), {
			timeout: PATIENCE_MS,
		})
		.toBe(true);
	hasJoined = true;
	const seconds = (performance.now() - beganMs) / 1000;
	if (process.env["ZK0_SCREENSHOTS"] === "1")
		process.stderr.write(`joined and trained in ${seconds.toFixed(1)} s\n`);
	expect(seconds).toBeLessThan(JOIN_LIMIT_S);
	expect(watched.complaints().filter((text) => !text.includes("400 (Bad Request)"))).toEqual([]);
});

/** With recordings that have an error: it stops at the doctor, until somebody takes it on. Goes back to the recordings. */
async function takeErrorsOn(): Promise<void> {
	await button("Choose lab").click();
	await page.getByText("opened", { exact: true }).waitFor();
	await onward("3. The cameras");
	// The other model's cameras, and back again.
	await page.getByLabel("SmolVLA at full size").check();
	await page.getByLabel("top is the policy’s").getByText("camera1").waitFor({ state: "attached" });
	await page.getByLabel("zk0's small model").check();
	await page.getByLabel("top is the policy’s").selectOption("observation.images.top");
	await button("These are right").click();
	await onward("4. Data check");
	await page.getByText("timestamp-mismatch").waitFor();
	await button("Examine again").waitFor();
	expect(await button("Continue").isDisabled()).toBe(true);
	await page.getByLabel("Join although there are errors").check();
	await onward("5. A test step");
	await page.getByRole("link", { name: "Recordings" }).click();
	await page.getByRole("heading", { name: "2. The recordings" }).waitFor();
}

/** Pastes the invitation once more, and joins. */
async function joinAgain(before: () => Promise<void>): Promise<void> {
	await page.goto(`${origin}/join/invitation`);
	await page.getByLabel("Invitation", { exact: true }).fill(invitation);
	const taken = page.waitForResponse(`${origin}/api/join/invitation`);
	await button("Look at it").click();
	await taken;
	// What the page shows is that of the invitation before for a moment.
	const look = async (): Promise<unknown> => (await page.request.get(`${origin}/api/site`)).json();
	await expect
		.poll(look, { timeout: STEP_PATIENCE_MS })
		.toMatchObject({ join: { invitation: { job: { state: "done" } } } });
	await before();
	await page.goto(`${origin}/join/go`);
	await button("Join and start").click();
}

/** Of the client that the page started. */
async function clientPid(): Promise<number> {
	const text = await readFile(join(place.dir, "kitchen", "client.lock"), "utf8");
	return z.object({ pid: z.int() }).parse(JSON.parse(text)).pid;
}

interface Activity {
	readonly rounds: readonly { readonly round: number; readonly trainLoss: number | null }[];
}

async function readActivity(): Promise<Activity> {
	// The client writes it; a file that is not there yet says nothing.
	const text = await readFile(join(place.dir, "kitchen", "activity.json"), "utf8").catch(
		() => '{"rounds":[]}',
	);
	return JSON.parse(text) as Activity;
}

test("its progress is what the server's log says, and it stops, starts and leaves by buttons", {
	timeout: PATIENCE_MS,
}, async (context) => {
	requireTool(context, CHROMIUM, ["--version"]);
	expect(hasJoined).toBe(true);
	const log = join(place.dir, "server", "runs", runId, "events.jsonl");
	const table = page.getByRole("table", { name: "Rounds at this site" });
	await expect.poll(() => table.locator("tbody tr").count(), { timeout: PATIENCE_MS }).toBe(ROUNDS + 1);
	let events: readonly RoundEvent[] = [];
	await expect
		.poll(
			async () => {
				({ events } = await verifyEventLog(log));
				return events.some(({ kind }) => kind === "run.completed");
			},
			{ timeout: PATIENCE_MS },
		)
		.toBe(true);
	const losses = events.flatMap((event) =>
		event.kind === "site.evaluated" ? [event.loss?.toPrecision(3) ?? "–"] : [],
	);
	const trained = events.flatMap((event) =>
		event.kind === "update.received" ? [event.metrics["loss"]?.toPrecision(3) ?? "–"] : [],
	);
	const shown = async (): Promise<string[][]> => {
		const cells = await table
			.locator("tbody tr")
			.evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent ?? "")));
		return cells.map((row) => row.slice(1, 4));
	};
	await expect
		.poll(shown, { timeout: STEP_PATIENCE_MS })
		.toEqual(
			[2, 1, 0].map((round) => [String(round), losses[round], round === 0 ? "–" : trained[round - 1]]),
		);
	await page.getByText("Connected; waiting for the next task").waitFor();
	await picture("progress");
	// The weights that the site got are the ones of the log, and can be looked at beside its recordings.
	const weights = events.flatMap((event) => (event.kind === "round.aggregated" ? [event.weightsSha256] : []));
	const kept = await listKeptRounds(join(place.dir, "kitchen", "rounds"));
	expect(kept.slice(1).map(({ weightsSha256 }) => weightsSha256)).toEqual(weights);
	await page.getByRole("link", { name: "Episodes" }).click();
	await page.getByRole("heading", { name: "Episode 0" }).waitFor();
	await expect.poll(() => page.locator('.episode-camera video[data-shown="0"]').count()).toBe(2);
	const model = page.getByLabel("Predicted by");
	expect(await model.locator("option").allTextContents()).toEqual([
		"nobody",
		"Base model",
		"Round 1",
		"Round 2",
	]);
	await model.selectOption({ label: "Round 2" });
	await button("Compute").click();
	await page.getByText("open loop").waitFor({ timeout: 60_000 });
	expect(await watched.findings()).toEqual([]);
	await page.getByRole("link", { name: "Progress" }).click();
	await button("Stop").click();
	await page.getByText("The client does not run").waitFor({ timeout: STEP_PATIENCE_MS });
	await page.getByText("Nothing went wrong so far").waitFor();
	await page.emulateMedia({ colorScheme: "dark" });
	await picture("progress-dark");
	await button("Start").click();
	await page.getByText("Connected; waiting for the next task").waitFor({ timeout: STEP_PATIENCE_MS });
	// Joining again: the client goes on until another takes its place, and where the server is not there.
	const first = await clientPid();
	await joinAgain(async () => undefined);
	await page.waitForURL(`${origin}/progress`, { timeout: STEP_PATIENCE_MS });
	await page.getByText("Connected; waiting for the next task").waitFor({ timeout: STEP_PATIENCE_MS });
	const second = await clientPid();
	expect(second).not.toBe(first);
	// Whoever comes back to the steps stays there, to look or to join anew.
	await page.goBack();
	await page.getByText("This site has joined.").waitFor();
	await page.getByRole("link", { name: "Join", exact: true }).first().click();
	await page.waitForURL(`${origin}/join/go`);
	await page.getByText("This site has joined.").waitFor();
	await joinAgain(async () => {
		server.child.kill("SIGKILL");
		await server.finished;
	});
	await page.getByText("Cannot reach").waitFor({ timeout: STEP_PATIENCE_MS });
	expect(await clientPid()).toBe(second);
	await page.getByRole("link", { name: "Progress" }).click();
	await button("Leave…").click();
	await button("Leave the federation").click();
	await page.getByText("belongs to no federation yet").waitFor({ timeout: STEP_PATIENCE_MS });
	expect((await zk0(["client", "status", "--state", "kitchen"], place.dir)).stdout).toContain("not running");
	hasLeft = true;
});
