// The episode viewer in a real browser: recordings whose pictures carry their own numbers tell which frame is on the
// screen. With ZK0_SCREENSHOTS=1 the pictures in docs/images are taken anew, of simulated recordings and a short run.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { predictionStateSchema } from "@zk0/dashboard/views";
import { SMALL_BASE_DIR } from "@zk0/policy";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { markerOf, recordSynthetic, syntheticEpisode } from "../packages/dataset/src/testing/recordings.ts";
import { requireTool } from "../packages/dataset/src/testing/require-tool.ts";
import { CHROMIUM, openPage, startBrowser, type WatchedPage } from "./browser.ts";
import { type Workplace, workplace, zk0 } from "./zk0.ts";

const PATIENCE_MS = 120_000;
const IMAGES = fileURLToPath(new URL("../docs/images", import.meta.url));
/** Videos that browsers do not play, and pictures in the rows. */
const GOLDEN = fileURLToPath(new URL("../packages/dataset/golden/pyarrow-v21", import.meta.url));
const LENGTHS = [14, 9];

let place: Workplace;
let browser: Browser | undefined;

beforeAll(async () => {
	place = await workplace();
	await recordSynthetic(join(place.dir, "data"), LENGTHS);
}, PATIENCE_MS);
afterAll(async () => {
	await browser?.close();
	await place[Symbol.asyncDispose]();
}, PATIENCE_MS);

/** Opens the viewer of `zk0 data view <words>`. */
async function view(words: readonly string[]): Promise<WatchedPage> {
	const viewer = place.start(["data", "view", ...words]);
	let link = "";
	viewer.child.stdout?.on("data", (text: string) => {
		link += text;
	});
	await viewer.printed("#code=");
	[link = ""] = link.split("\n");
	browser ??= await startBrowser();
	const watched = await openPage(browser, new URL(link).origin);
	await watched.page.goto(link);
	await watched.page.getByRole("heading", { level: 1 }).waitFor();
	return watched;
}

/** Waits until all cameras show a frame, and reads the numbers in their pictures. */
async function markers(page: Page, frame: number): Promise<number[]> {
	const pictures = page.locator(".episode-camera video, .episode-camera img");
	await expect
		.poll(() => pictures.evaluateAll((all) => all.map((one) => one.dataset["shown"])), { timeout: 30_000 })
		.toEqual(["", ""].map(() => String(frame)));
	return await pictures.evaluateAll((all) =>
		all.map((one) => {
			const canvas = one.ownerDocument.createElement("canvas");
			[canvas.width, canvas.height] = [one.width, one.height];
			const context = canvas.getContext("2d", { willReadFrequently: true });
			context?.drawImage(one, 0, 0, one.width, one.height);
			let marker = 0;
			for (let bit = 0; bit < 12; bit++) {
				const [x, y] = [(bit % 4) * 16 + 8, Math.floor(bit / 4) * 16 + 8];
				if ((context?.getImageData(x, y, 1, 1).data[0] ?? 0) > 128) marker |= 1 << bit;
			}
			return marker;
		}),
	);
}

const frameOf = (heads: Locator): Promise<(string | null)[]> =>
	heads.evaluateAll((all) => all.map((one) => one.getAttribute("data-frame")));

test("pictures, scrubber and plots show one frame, whoever moves it", {
	timeout: PATIENCE_MS,
}, async (context) => {
	requireTool(context, CHROMIUM, ["--version"]);
	const watched = await view(["data", "--model", SMALL_BASE_DIR]);
	const { page } = watched;
	const scrubber = page.getByRole("slider", { name: "Frame" });
	const heads = page.locator(".playhead");
	/** Everything at once: pictures, scrubber, playheads and the number beside a plot. */
	const shows = async (episode: number, frame: number): Promise<void> => {
		expect(await markers(page, frame)).toEqual([0, 1].map((camera) => markerOf(episode, frame, camera)));
		expect(await scrubber.inputValue()).toBe(String(frame));
		expect(await frameOf(heads)).toEqual(Array.from({ length: 3 }, () => String(frame)));
		const recorded = syntheticEpisode(episode, LENGTHS[episode] ?? 0).actions[frame * 3] ?? Number.NaN;
		await page
			.getByRole("figure", { name: /^shoulder pan/ })
			.getByText(`${recorded.toFixed(1)}°`)
			.waitFor();
	};
	await shows(0, 0);
	await page.keyboard.press("ArrowRight");
	await page.keyboard.press("Shift+ArrowRight");
	await shows(0, 11);
	await scrubber.press("ArrowLeft");
	await shows(0, 10);
	await page.keyboard.press("End");
	await shows(0, 13);
	// The middle of a plot is the middle of the episode.
	await page.locator(".joint-plot .u-over").nth(1).click();
	const [middle = null] = await frameOf(heads);
	expect([6, 7]).toContain(Number(middle));
	await shows(0, Number(middle));
	await expect.poll(() => new URL(page.url()).searchParams.get("frame")).toBe(middle);
	// The second episode begins within the same file.
	await page.getByRole("navigation", { name: "Episodes" }).getByRole("button", { name: /^1/ }).click();
	await page.getByRole("heading", { name: "Episode 1" }).waitFor();
	await shows(1, 0);
	await page.locator("main").press("Space");
	await page.getByRole("button", { name: "Pause" }).waitFor();
	await page.getByRole("button", { name: "Play" }).waitFor();
	await shows(1, 8);
	await expect.poll(() => new URL(page.url()).search).toBe("?episode=1&frame=8");
	await page.reload();
	await page.getByRole("heading", { name: "Episode 1" }).waitFor();
	await shows(1, 8);
	expect([watched.complaints(), await watched.findings()]).toEqual([[], []]);

	await page.getByLabel("Predicted by").selectOption("model");
	await page.getByText("not predicted yet").waitFor();
	await page.getByRole("button", { name: "Compute" }).click();
	await page.getByText("open loop").waitFor({ timeout: 60_000 });
	const state = predictionStateSchema.parse(
		await page.evaluate(() => fetch("/api/predictions/model/1").then((answer) => answer.json())),
	);
	if (state.kind !== "ready") throw new RangeError(`the prediction is ${state.kind}`);
	const [joint] = state.prediction.joints;
	const words = await page.getByRole("figure", { name: /^shoulder pan/ }).innerText();
	expect(words).toContain(`${joint?.predicted[8]?.toFixed(1)}°`);
	expect(words).toContain(`⌀ ${joint?.error.toFixed(1)}°`);
	expect(new URL(page.url()).searchParams.get("model")).toBe("model");
	expect([watched.complaints(), await watched.findings()]).toEqual([[], []]);
});

test("what the browser cannot play is shown picture by picture", {
	timeout: PATIENCE_MS,
}, async (context) => {
	requireTool(context, CHROMIUM, ["--version"]);
	const watched = await view([GOLDEN]);
	const { page } = watched;
	await page.getByText("No model to compare with").waitFor();
	await page.keyboard.press("ArrowRight");
	await expect
		.poll(() => page.locator('.episode-camera img[data-shown="1"]').count(), { timeout: 30_000 })
		.toBe(3);
	expect([watched.complaints(), await watched.findings()]).toEqual([[], []]);
	await picture();
});

/** Takes the picture for the documentation anew. */
async function picture(): Promise<void> {
	if (process.env["ZK0_SCREENSHOTS"] !== "1") return;
	const run =
		"simulate --preset small --init bundled --rounds 3 --local-steps 60 --seed 7 --quiet --data kitchen=sim:site-a?episodes=12&seed=7&size=128x128";
	expect((await zk0(run.split(" "), place.dir)).code).toBe(0);
	await mkdir(IMAGES, { recursive: true });
	const { page } = await view(["--run", "latest"]);
	await page.setViewportSize({ width: 1320, height: 1010 });
	await page.goto(`${new URL(page.url()).origin}/?episode=1&frame=12&model=round-3`);
	await page.getByRole("button", { name: "Compute" }).click();
	await page.getByText("open loop").waitFor({ timeout: 60_000 });
	await page.waitForTimeout(600);
	await page.screenshot({ path: join(IMAGES, "episode-viewer.png") });
}
