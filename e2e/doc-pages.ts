// The pages of the documentation and the shell commands that they show.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** README.md and every page below docs/. */
export const PAGES = [
	"README.md",
	...readdirSync(join(ROOT, "docs"), { recursive: true }).map((name) => `docs/${String(name)}`),
]
	.filter((path) => path.endsWith(".md"))
	.sort();

/** The text of a page, or of any other file of the repository. */
export const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

/** The lines of a page's shell blocks in their order, continued ones joined, comments left out. */
export function shellLines(page: string): string[] {
	const blocks = [...read(page).matchAll(/^```(?:sh|bash)\n([^]*?)^```/gm)].map(([, body = ""]) => body);
	return blocks
		.flatMap((body) => body.replaceAll("\\\n", " ").split("\n"))
		.map((line) => line.replace(/(^|\s)#.*$/, "").trim())
		.filter((line) => line !== "");
}

/** The same line with the program's name instead of npm's or npx's way to it. */
export const asZk0 = (line: string): string => line.replace(/^(?:npm run --silent zk0 --|npx zk0) /, "zk0 ");
