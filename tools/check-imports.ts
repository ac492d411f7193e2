// Checks what a process loads before it works, by following static imports through the workspace's sources:
// no optional native package from anywhere but the entries of workers and children, so that an install without them
// works, and next to nothing for the commands that people type often.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const NATIVE = ["onnxruntime-node", "node-av", "@mujoco/mujoco"];
const RULES: readonly { readonly from: readonly string[]; readonly never: RegExp; readonly why: string }[] = [
	{
		from: ["main.ts", "help.ts", "commands/index.ts"],
		never: /^(?!node:|\.)/,
		why: "zk0 --version and zk0 help must cost no more than node itself",
	},
	{
		from: ["commands/server.ts", "commands/client.ts", "commands/run.ts", "config/resolve.ts"],
		never: /^(?!node:|zod$|@zk0\/arrays|@zk0\/dashboard\/status$|\.)/,
		why: "commands that only ask a running process load no package but zod; import what works with await import()",
	},
	{
		from: ["network/server-process.ts"],
		never: /^@zk0\/(policy|autodiff|dataset|finetune|sim|doctor)(\/|$)/,
		why: "a server without a run loads nothing that trains: import it in network/run-work.ts",
	},
	{
		from: ["index.ts", "network/server-process.ts", "network/client-process.ts"],
		never: new RegExp(`^(${NATIVE.join("|")})(/|$)`),
		why: "optional native packages are loaded in workers, in children, or with await import()",
	},
	{
		from: ["network/server-process.ts", "network/client-process.ts", "network/superlink-run.ts"],
		never: /^@opentelemetry\//,
		why: "OpenTelemetry is loaded with await import() when the environment names a collector",
	},
];

const IMPORT = /^(?:import|export)\s+(?!type\b)(?:([^"';]*?)\sfrom\s+)?"([^"]+)"/gm;

/** What a source file imports statically, without imports of types. */
function importsOf(path: string): string[] {
	return [...readFileSync(path, "utf8").matchAll(IMPORT)].flatMap(([, names = "", target = ""]) => {
		const inBraces = /^\{([^}]*)\}$/.exec(names.trim())?.[1]?.split(",") ?? [];
		const listed = inBraces.map((name) => name.trim()).filter((name) => name !== "");
		return listed.length > 0 && listed.every((name) => name.startsWith("type ")) ? [] : [target];
	});
}

/** The source of a workspace package's export, or undefined for a package from npm. */
function workspaceSource(target: string): string | undefined {
	const [, name = "", rest = ""] = /^@zk0\/([^/]+)(.*)$/.exec(target) ?? [];
	const manifest = `packages/${name}/package.json`;
	if (name === "" || !existsSync(manifest)) return undefined;
	// The manifests of this repository have the shape that package-shape tools check.
	const { exports } = JSON.parse(readFileSync(manifest, "utf8")) as {
		exports: Record<string, { source: string } | undefined>;
	};
	const source = exports[`.${rest}`]?.source;
	return source === undefined ? undefined : join("packages", name, source);
}

/** The way from `from` to the first import that `never` forbids, or undefined. */
function forbiddenPath(from: string, never: RegExp): string[] | undefined {
	const cameFrom = new Map<string, string | undefined>([[from, undefined]]);
	const wayTo = (path: string | undefined): string[] =>
		path === undefined ? [] : [...wayTo(cameFrom.get(path)), path];
	for (const path of cameFrom.keys()) {
		for (const target of importsOf(path)) {
			if (never.test(target)) return [...wayTo(path), target];
			const source = target.startsWith(".") ? join(dirname(path), target) : workspaceSource(target);
			if (source !== undefined && !cameFrom.has(source)) cameFrom.set(source, path);
		}
	}
	return undefined;
}

let numFailed = 0;
for (const { from, never, why } of RULES) {
	for (const file of from) {
		const way = forbiddenPath(`packages/cli/src/${file}`, never);
		if (way === undefined) continue;
		numFailed += 1;
		console.error(`${way.join("\n  -> ")}\n${why}\n`);
	}
}
process.exitCode = numFailed === 0 ? 0 : 1;
