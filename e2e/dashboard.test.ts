// The dashboard in a real browser over a real federation: a server and two sites as processes. What each page shows is
// compared with the event log. With ZK0_SCREENSHOTS=1 the pictures in docs/images are taken anew.
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type RoundEvent, verifyEventLog } from "@zk0/federation";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, type TestContext, test } from "vitest";
import { requireTool } from "../packages/dataset/src/testing/require-tool.ts";
import { CHROMIUM, openPage, startBrowser, type WatchedPage } from "./browser.ts";
import { type Workplace, workplace, zk0 } from "./zk0.ts";

const SITES = ["kitchen", "workshop"] as const;
/** The recordings that other end-to-end tests use, too. */
const RECORDINGS = { kitchen: "site-a", workshop: "site-b" } as const;
const ROUNDS = 2;
/** Several processes compile their graphs on two cores. */
const PATIENCE_MS = 240_000;
const IMAGES = fileURLToPath(new URL("../docs/images", import.meta.url));

let place: Workplace;
let browser: Browser | undefined;
let origin = "";
let runId = "";
let events: readonly RoundEvent[] = [];
let watched: WatchedPage;
let page: Page;

beforeAll(async () => {
	place = await workplace();
}, PATIENCE_MS);
afterAll(async () => {
	await browser?.close();
	await place[Symbol.asyncDispose]();
}, PATIENCE_MS);

const linkOf = ({ links }: Record<string, unknown>): string =>
	String(Array.isArray(links) ? links[0] : links);

async function show(path: string, name: string): Promise<void> {
	await page.goto(origin + path);
	await page.getByRole("heading", { level: 1 }).waitFor();
	await page.getByText("live", { exact: true }).waitFor();
	await picture(name);
	expect(await watched.findings()).toEqual([]);
}

async function picture(name: string): Promise<void> {
	if (process.env["ZK0_SCREENSHOTS"] !== "1") return;
	await mkdir(IMAGES, { recursive: true });
	await page.waitForTimeout(400);
	await page.screenshot({ path: join(IMAGES, `dashboard-${name}.png`), fullPage: true });
}

/** Text of the table with this label, a list of cells per row. */
function rowsOf(label: string): Promise<string[][]> {
	return page
		.getByRole("table", { name: label })
		.locator("tbody tr")
		.evaluateAll((rows) =>
			rows.map((row) => [...row.querySelectorAll("td,th")].map((cell) => cell.textContent?.trim() ?? "")),
		);
}

/** Skips where there is no browser; fails where the run of the first test has not ended. */
function needRun(context: TestContext): void {
	requireTool(context, CHROMIUM, ["--version"]);
	expect(events.length, "events of the run that the first test follows").toBeGreaterThan(0);
}

const kinds = <Kind extends RoundEvent["kind"]>(kind: Kind) =>
	events.filter((event): event is Extract<RoundEvent, { kind: Kind }> => event.kind === kind);

test("a run is followed live, from waiting for sites to its last round", {
	timeout: PATIENCE_MS,
}, async (context) => {
	requireTool(context, CHROMIUM, ["--version"]);
	const words = "server start --foreground --state server --listen 127.0.0.1 --address 127.0.0.1 --port 0";
	const server = place.start(words.split(" "));
	[browser] = await Promise.all([startBrowser(), server.printed("serving at")]);
	const link = linkOf(await place.operator("server", "dashboard"));
	origin = new URL(link).origin;
	watched = await openPage(browser, origin);
	({ page } = watched);
	await page.goto(origin);
	await page.getByRole("button", { name: "Sign in" }).waitFor();
	expect(await watched.findings()).toEqual([]);
	await picture("sign-in");
	await page.goto(link);
	await page.getByText("No run yet").waitFor();
	expect(page.url()).toBe(`${origin}/`);
	expect(await watched.findings()).toEqual([]);
	await picture("empty");
	const run = `run --preset tiny --init random --seed 7 --eval-frames 4 --sampled-frames 1 --eval-local --rounds ${ROUNDS} --min-sites 2 --detach`;
	const joining = SITES.map(async (site) => {
		const { invitation } = await place.operator("server", "invite", "--name", site);
		const recordings = `sim:${RECORDINGS[site]}?episodes=5&seed=7&size=96x96`;
		const joined = await zk0(["client", "join", String(invitation), recordings, "--state", site], place.dir);
		expect(joined.code).toBe(0);
	});
	const [begun] = await Promise.all([place.operator(...run.split(" ")), ...joining]);
	runId = String(begun["runId"]);
	// Nothing was loaded again: the page learns of the run, of the sites and of each round by itself.
	await page.getByText("0 of 2 are online").waitFor();
	for (const site of SITES) place.start(["client", "start", "--foreground", "--state", site]);
	await page.locator("main").getByText("running", { exact: true }).waitFor({ timeout: PATIENCE_MS });
	await page.getByRole("heading", { name: /Round [1-9], site by site/ }).waitFor({ timeout: PATIENCE_MS });
	await page.locator("main").getByText("completed", { exact: true }).waitFor({ timeout: PATIENCE_MS });
	({ events } = await verifyEventLog(join(place.dir, "server", "runs", runId, "events.jsonl")));
	expect(watched.complaints()).toEqual([]);
});

const losses = (site: string): string[] =>
	kinds("site.evaluated").flatMap((event) =>
		event.site === site ? [event.loss?.toPrecision(3) ?? "–"] : [],
	);

test("the overview says what the log says, live and loaded anew", {
	timeout: PATIENCE_MS,
}, async (context) => {
	needRun(context);
	const look = async () => ({
		figures: await page.locator(".figures").innerText(),
		sites: await rowsOf("Sites in this run"),
	});
	const live = await look();
	await show(`/runs/${runId}`, "overview");
	expect(await look()).toEqual(live);
	const evaluated = kinds("round.evaluated");
	expect(live.figures).toContain(evaluated.at(-1)?.loss?.toPrecision(3));
	expect(live.figures).toContain(`${ROUNDS} of ${ROUNDS}`);
	expect(
		live.sites.map(([site, state, now, loss, , , updates]) => [site, state, now, loss, updates]),
	).toEqual(SITES.map((site) => [site, "online", "idle", losses(site).at(-1), String(ROUNDS)]));
	await page.getByText("Numbers").first().click();
	const numbers = await page.getByRole("region", { name: /Held-out loss.*numbers/ }).innerText();
	for (const { loss } of evaluated) expect(numbers).toContain(loss?.toPrecision(3));
	const timeline = await page.getByRole("img", { name: `Round ${ROUNDS}.` }).getAttribute("aria-label");
	for (const site of SITES) expect(timeline).toMatch(new RegExp(`${site}: pull .*train .*upload .*evaluate`));
	await page.getByRole("checkbox", { name: "smooth" }).check();
	expect(page.url()).toContain("smooth=1");
	// An address that names no run says so, and the others can be chosen from there.
	await page.goto(`${origin}/runs/nowhere`);
	await page.getByText("there is no run nowhere").waitFor();
	await page.getByText("live", { exact: true }).waitFor();
	await page.getByRole("combobox", { name: "Run" }).selectOption(runId);
	await page.getByRole("heading", { name: runId }).waitFor();
});

test("rounds and sites, with hashes, shares and signatures", { timeout: PATIENCE_MS }, async (context) => {
	needRun(context);
	// With the keyboard alone: from the overview to a round, and to the round before it.
	await page.getByRole("link", { name: "open round" }).press("Enter");
	await page.getByRole("heading", { name: `Round ${ROUNDS}`, level: 1 }).waitFor();
	await page.getByLabel("Go to round").press("ArrowDown");
	await page.getByRole("heading", { name: "Round 1", level: 1 }).waitFor();
	expect(page.url()).toBe(`${origin}/runs/${runId}/rounds/1`);
	await show(`/runs/${runId}/rounds/1`, "round");
	const updates = new Map(
		kinds("update.received").flatMap((event) => (event.round === 1 ? [[event.site, event]] : [])),
	);
	const accepted = kinds("round.accepted").find(({ round }) => round === 1);
	await expect.poll(() => rowsOf("Updates of the round")).toHaveLength(SITES.length);
	const compared = kinds("updates.compared").find(({ round }) => round === 1);
	const cosineOf = (value: number | null | undefined): string => value?.toFixed(2).replace("-", "−") ?? "–";
	const pairs = await rowsOf("Cosine between the updates of each two sites");
	for (const [row, values] of (compared?.cosines ?? []).entries())
		expect(pairs[row]?.slice(1, row + 2)).toEqual([...values, 1].map(cosineOf));
	expect(pairs).toHaveLength(SITES.length);
	for (const [site = "", state, share, samples, training, norm, cosine, , , sha256, signed] of await rowsOf(
		"Updates of the round",
	)) {
		const found = compared?.sites.find((one) => one.site === site);
		expect([norm, cosine]).toEqual([found?.norm.toPrecision(3), cosineOf(found?.alignment)]);
		const update = updates.get(site);
		const weight = accepted?.updates.find((one) => one.site === site)?.weight ?? 0;
		expect([state, share, samples]).toEqual([
			"counted",
			`${Math.round(weight * 100)} %`,
			String(update?.numSamples),
		]);
		expect(training).toBe(update?.metrics["loss"]?.toPrecision(3));
		expect([sha256, signed]).toEqual([update?.sha256.slice(0, 12), `✓ ${update?.signed?.key.slice(0, 8)}`]);
	}
	const weights = kinds("round.aggregated").find(({ round }) => round === 1)?.weightsSha256;
	await page.getByText(String(weights)).waitFor();
	await page.keyboard.press("Tab");
	await page.getByRole("link", { name: "kitchen" }).click();
	await page.getByRole("heading", { name: "kitchen", level: 1 }).waitFor();
	await show(`/runs/${runId}/sites/kitchen`, "site");
	const { doctor } = kinds("site.joined").find(({ site }) => site === "kitchen")?.details ?? {};
	expect(doctor).toMatchObject({ errors: 0 });
	const card = await page.getByRole("region", { name: "Recordings" }).innerText();
	expect(card).toMatch(/Doctor\s+(good|\d+ warnings?)/);
	expect(await page.locator(".figures").innerText()).toContain(losses("kitchen").at(-1));
	const own = kinds("update.received").findLast(({ site }) => site === "kitchen")?.metrics["heldOutLoss"];
	const chart = await page.getByRole("figure", { name: "Loss at kitchen over rounds" }).innerText();
	expect(chart).toContain(`local weights, here${own?.toPrecision(3)}`);
	const joints = await rowsOf("Error per joint and round, in degrees");
	const last = kinds("site.evaluated").findLast(({ site }) => site === "kitchen")?.metrics ?? {};
	expect(joints.length).toBeGreaterThan(3);
	for (const row of joints)
		expect(row.at(-1)).toBe(
			last[`jointError.${row[0]}.pos`]?.toFixed(1) ?? last[`jointError.${row[0]}`]?.toFixed(1),
		);
});

test("comparison, models to download, members and the audit log", {
	timeout: PATIENCE_MS,
}, async (context) => {
	needRun(context);
	await show(`/compare?runs=${runId}&x=bytes`, "compare");
	const [line] = await rowsOf("Runs");
	expect(line?.slice(1, 3)).toEqual([runId, "completed"]);
	await show("/models", "models");
	await page.getByText("Model card").first().click();
	await expect
		.poll(() => page.getByRole("region", { name: `Model card of round ${ROUNDS}` }).innerText())
		.toContain(`| Rounds | ${ROUNDS} of ${ROUNDS}`);
	await page
		.getByText(/Download \(/)
		.first()
		.click();
	const download = page.waitForEvent("download");
	await page.getByRole("link", { name: "model.safetensors" }).first().click();
	const saved = await (await download).path();
	const checkpoint = join(place.dir, "server", "runs", runId, "checkpoints", `round_${ROUNDS}`, "global");
	expect((await readFile(saved)).equals(await readFile(join(checkpoint, "model.safetensors")))).toBe(true);
	await show("/access", "access");
	const members = await rowsOf("Sites");
	expect(members.map(([site, , , , , doctor]) => [site, doctor])).toEqual(
		SITES.map((site) => [site, "good"]),
	);
	await page.getByLabel("Site's name").fill("attic");
	await page.getByRole("button", { name: "Invite" }).click();
	await page.getByRole("button", { name: "Copy" }).click();
	await page.getByRole("button", { name: "Copied" }).waitFor();
	await page.getByLabel("Site's name").fill("garage");
	await page.getByRole("button", { name: "Invite" }).click();
	await page.getByText("Invitation for garage").waitFor();
	await page.getByText("zk0 client join zk0://").waitFor();
	await expect.poll(async () => (await rowsOf("Invitations")).map(([site]) => site)).toContain("garage");
	expect(await page.getByRole("button", { name: "Copied" }).count()).toBe(0);
	await show("/audit", "audit");
	const lines = (await rowsOf("Audit log")).map(([, who, what]) => `${who} ${what}`);
	expect(lines[0]).toMatch(/^operator invited garage/);
	expect(lines).toContain("operator asked for an invitation");
	for (const site of SITES) expect(lines.join("\n")).toContain(`${site} joined with an invitation`);
});

test("a viewer looks, in the dark, without buttons; a removed one is out", {
	timeout: PATIENCE_MS,
}, async (context) => {
	needRun(context);
	const link = linkOf(await place.operator("server", "user", "add", "vera", "--role", "viewer"));
	if (browser === undefined) throw new RangeError("no browser");
	await using viewer = await openPage(browser, origin, "dark");
	watched = viewer;
	({ page } = viewer);
	await page.goto(link);
	await page.getByText("live", { exact: true }).waitFor();
	await show(`/runs/${runId}`, "overview-dark");
	await page.getByRole("link", { name: "Access" }).click();
	await page.getByText("You are vera, a viewer").waitFor();
	expect(await page.getByRole("button", { name: /Revoke|Invite|Approve|Add/ }).count()).toBe(0);
	expect(viewer.complaints()).toEqual([]);
	await place.operator("server", "user", "remove", "vera");
	await page.reload();
	await page.getByRole("button", { name: "Sign in" }).waitFor();
});
