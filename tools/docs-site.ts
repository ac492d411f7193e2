// `npm run docs [-- <dir>]`: README.md and docs/ as a static site (default: site/) that needs no network and no script.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, posix, relative } from "node:path";
import { Marked } from "marked";

const [target = "site"] = process.argv.slice(2);

/** Sections of the site and their pages, in reading order; a page that is in none is a how-to. */
const SECTIONS: readonly (readonly [title: string, pages: readonly string[]])[] = [
	["", ["README.md"]],
	[
		"Tutorials",
		["first-run", "own-data", "join-as-a-site", "run-a-federation", "to-the-robot", "add-a-strategy"].map(
			(name) => `docs/tutorials/${name}.md`,
		),
	],
	["How-to", []],
	[
		"Reference",
		["docs/cli.md", "docs/configuration.md", "docs/data-doctor.md", "docs/support.md", "docs/faults.md"],
	],
	[
		"Explanation",
		["docs/architecture.md", "docs/performance.md", "docs/security.md", "docs/privacy.md", "docs/log.md"],
	],
];

const pages = [
	"README.md",
	...readdirSync("docs", { recursive: true, encoding: "utf8" }).map((name) => `docs/${name}`),
]
	.filter((path) => path.endsWith(".md"))
	.sort();
const placed = new Set(SECTIONS.flatMap(([, names]) => names));
const contents = SECTIONS.map(([title, names]) => ({
	title,
	pages: (title === "How-to" ? pages.filter((path) => !placed.has(path)) : names).filter((path) =>
		pages.includes(path),
	),
}));

const CSS = `
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--muted:#5c6670;--line:#dfe3e8;--card:#f6f8fa;--accent:#1857c4}
@media(prefers-color-scheme:dark){:root{--paper:#101418;--ink:#e6e9ec;--muted:#9aa5b0;--line:#2b323a;--card:#181d23;--accent:#7aa9ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;display:grid;grid-template-columns:minmax(200px,260px) minmax(0,1fr)}
nav{padding:28px 20px;border-right:1px solid var(--line);font-size:14px;position:sticky;top:0;height:100vh;overflow-y:auto}
nav h2{font-size:12px;text-transform:uppercase;letter-spacing:.06em;color:var(--muted);margin:20px 0 6px}
nav ul{list-style:none;margin:0;padding:0}nav a{display:block;padding:3px 8px;border-radius:6px;color:var(--ink);text-decoration:none}
nav a:hover{background:var(--card)}nav a[aria-current]{background:var(--card);font-weight:600}
main{max-width:820px;padding:28px 36px 80px}
a{color:var(--accent)}h1,h2,h3{line-height:1.25}h1{font-size:30px;margin-top:0}h2{margin-top:36px;border-bottom:1px solid var(--line);padding-bottom:6px}
code{font:.88em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--card);border-radius:4px;padding:.1em .3em}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px 16px;overflow-x:auto}pre code{background:none;padding:0}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:14px}th,td{border-bottom:1px solid var(--line);padding:7px 12px 7px 0;text-align:left;vertical-align:top}th{color:var(--muted);font-weight:500}
img{max-width:100%}:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.skip{position:absolute;left:-999px}.skip:focus{left:8px;top:8px;background:var(--paper);padding:6px}
@media(max-width:760px){body{display:block}nav{position:static;height:auto;border-right:0;border-bottom:1px solid var(--line)}main{padding:20px}}
@media print{nav{display:none}body{display:block}}
`;

const titles = new Map(
	pages.map((path) => [path, /^# (.+)$/m.exec(readFileSync(path, "utf8"))?.[1] ?? basename(path, ".md")]),
);

/** Where a page of the repository is in the site. */
function placeOf(path: string): string {
	return path === "README.md" ? "index.html" : path.replace(/^docs\//, "").replace(/\.md$/, ".html");
}

/** A link of a page as it is in the site: pages become HTML, files of docs/ keep their place, other files are named only. */
function rewrite(href: string, page: string): string | null {
	if (/^(https?:|mailto:|#)/.test(href)) return href;
	const [path = "", anchor] = href.split("#");
	const source = posix.normalize(posix.join(posix.dirname(page), path));
	const known = pages.includes(source)
		? placeOf(source)
		: source.startsWith("docs/")
			? source.slice("docs/".length)
			: null;
	if (known === null) return null;
	const from = posix.dirname(placeOf(page));
	return `${posix.relative(from, known) || posix.basename(known)}${anchor === undefined ? "" : `#${anchor}`}`;
}

const slug = (text: string): string =>
	text
		.toLowerCase()
		.replaceAll(/<[^>]+>|[^\p{L}\p{N}\s-]/gu, "")
		.trim()
		.replaceAll(/\s+/g, "-");

function render(page: string): string {
	const marked = new Marked({ gfm: true });
	marked.use({
		renderer: {
			heading({ tokens, depth }) {
				const text = this.parser.parseInline(tokens);
				return `<h${depth} id="${slug(text)}">${text}</h${depth}>\n`;
			},
			link({ href, tokens }) {
				const text = this.parser.parseInline(tokens);
				const to = rewrite(href, page);
				return to === null ? text : `<a href="${to}">${text}</a>`;
			},
			image({ href, text }) {
				return `<img src="${rewrite(href, page) ?? href}" alt="${text.replaceAll('"', "&quot;")}">`;
			},
		},
	});
	const html = marked.parse(readFileSync(page, "utf8"), { async: false });
	return html.replaceAll("<table>", '<div class="scroll"><table>').replaceAll("</table>", "</table></div>");
}

function navigation(current: string): string {
	return contents
		.filter(({ pages: own }) => own.length > 0)
		.map(({ title, pages: own }) => {
			const items = own.map((path) => {
				const here = path === current ? ' aria-current="page"' : "";
				return `<li><a href="${rewrite(relative(dirname(current), path), current) ?? ""}"${here}>${titles.get(path) ?? ""}</a></li>`;
			});
			return `${title === "" ? "" : `<h2>${title}</h2>`}<ul>${items.join("")}</ul>`;
		})
		.join("");
}

rmSync(target, { recursive: true, force: true });
for (const page of pages) {
	const path = join(target, placeOf(page));
	mkdirSync(dirname(path), { recursive: true });
	const title = titles.get(page) ?? "zk0";
	writeFileSync(
		path,
		`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${title}</title><style>${CSS}</style></head><body><nav aria-label="Pages"><a class="skip" href="#content">Skip to the page</a>${navigation(page)}</nav><main id="content">${render(page)}</main></body></html>\n`,
	);
}
cpSync("docs", target, { recursive: true, filter: (path) => !path.endsWith(".md") });
console.log(`${pages.length} pages: ${join(target, "index.html")}`);
