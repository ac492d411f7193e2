// Builds the browser apps into packages/dashboard/dist, unless they are newer than everything they are made of: the
// server's dashboard (dist/app), the site's page (dist/site) and the episode viewer (dist/viewer).
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const ROOT = "packages/dashboard";
/** Where an app's index.html lies, and where it is built to. */
const APPS = [
	{ from: join(ROOT, "src", "app"), to: join(ROOT, "dist", "app") },
	{ from: join(ROOT, "src", "app", "site"), to: join(ROOT, "dist", "site") },
	{ from: join(ROOT, "src", "app", "viewer"), to: join(ROOT, "dist", "viewer") },
] as const;
/** What the bundles are made of: the apps, the views they share with servers, the events, versions of packages. */
const SOURCES = [
	join(ROOT, "src"),
	"packages/federation/src/events.ts",
	"package-lock.json",
	"tools/build-dashboard.ts",
];

function newestMs(path: string): number {
	const { mtimeMs } = statSync(path);
	if (!statSync(path).isDirectory()) return mtimeMs;
	return Math.max(mtimeMs, ...readdirSync(path).map((name) => newestMs(join(path, name))));
}

const builtMs = ({ to }: (typeof APPS)[number]): number =>
	statSync(join(to, "index.html"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
if (Math.min(...APPS.map(builtMs)) < Math.max(...SOURCES.map(newestMs))) {
	const { build } = await import("vite");
	for (const { from, to } of APPS)
		await build({
			root: from,
			configFile: false,
			logLevel: "warn",
			resolve: { conditions: ["source", "module", "browser", "default"] },
			build: {
				outDir: join(process.cwd(), to),
				emptyOutDir: true,
				target: "es2022",
				// Everything comes from the server itself and is inlined nowhere: the page's policy forbids it.
				assetsInlineLimit: 0,
				modulePreload: { polyfill: false },
				license: true,
			},
		});
}
