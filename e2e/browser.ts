// Debian's Chromium for tests of pages: what it says on its console, which hosts it asks, and what axe finds.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { z } from "zod";

/** Where Debian's package puts it. */
export const CHROMIUM = "/usr/bin/chromium";

/** How long a page may take to show something on a busy machine. */
const PATIENCE_MS = 15_000;

/** A browser window that is watched. */
export interface WatchedPage extends AsyncDisposable {
	readonly page: Page;
	readonly context: BrowserContext;
	/** Errors and warnings of the console, failures of scripts, requests to other hosts; each once. */
	readonly complaints: () => readonly string[];
	/** Serious and critical findings of axe on what is shown. */
	findings(): Promise<string[]>;
}

/** Starts the browser. */
export function startBrowser(): Promise<Browser> {
	// Tests run as root in containers, where Chromium's own sandbox cannot start.
	return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const findingsSchema = z.array(
	z.object({
		id: z.string(),
		impact: z.string().nullable(),
		nodes: z.array(z.object({ html: z.string(), failureSummary: z.string().optional() })),
	}),
);

/** Opens a window for pages of `origin`. */
export async function openPage(
	browser: Browser,
	origin: string,
	colorScheme: "light" | "dark" = "light",
): Promise<WatchedPage> {
	const context = await browser.newContext({ viewport: { width: 1320, height: 900 }, colorScheme });
	context.setDefaultTimeout(PATIENCE_MS);
	const page = await context.newPage();
	const complaints = new Set<string>();
	page.on("console", (message) => {
		if (message.type() === "error" || message.type() === "warning") complaints.add(message.text());
	});
	page.on("pageerror", (error) => complaints.add(error.message));
	page.on("request", (request) => {
		const url = new URL(request.url());
		if (url.protocol !== "data:" && url.origin !== origin) complaints.add(`asked ${url.origin}`);
	});
	return {
		page,
		context,
		complaints: () => [...complaints],
		async findings() {
			// The page's policy forbids inline scripts; evaluate is not one.
			await page.evaluate(AXE);
			const found: unknown = await page.evaluate(
				"axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)",
			);
			return findingsSchema
				.parse(found)
				.filter(({ impact }) => impact === "serious" || impact === "critical")
				.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`);
		},
		[Symbol.asyncDispose]: () => context.close(),
	};
}
