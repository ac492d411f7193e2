// Builds the browser app into packages/dashboard/dist/app, unless that is newer than everything it is made of.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const ROOT = "packages/dashboard";
const BUILT = join(ROOT, "dist", "app", "index.html");
/** What the bundle is made of: the app, the views it shares with the server, the events, versions of packages. */
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

const builtMs = statSync(BUILT, { throwIfNoEntry: false })?.mtimeMs ?? 0;
if (builtMs < Math.max(...SOURCES.map(newestMs))) {
	const { build } = await import("vite");
	await build({
		root: join(ROOT, "src", "app"),
		configFile: false,
		logLevel: "warn",
		resolve: { conditions: ["source", "module", "browser", "default"] },
		build: {
			outDir: "../../dist/app",
			emptyOutDir: true,
			target: "es2022",
			// Everything comes from the server itself and is inlined nowhere: the page's policy forbids it.
			assetsInlineLimit: 0,
			modulePreload: { polyfill: false },
			license: true,
		},
	});
}
