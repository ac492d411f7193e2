// Generates packages/flower/src/gen from packages/flower/proto. The result is checked in, with the hashes that
// packages/flower/src/generated.test.ts compares, because the generator (buf and protoc-gen-es, 126 MB) is needed by
// nobody who only builds, tests or runs zk0: npx fetches it when a .proto file changes.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const PACKAGE = "packages/flower";
const GENERATORS = ["@bufbuild/buf@1.75.0", "@bufbuild/protoc-gen-es@2.12.1"];

run("npx", [
	"--yes",
	...GENERATORS.flatMap((name) => ["--package", name]),
	"--",
	"buf",
	"generate",
	"--config",
	"proto/buf.yaml",
	"--template",
	"proto/buf.gen.yaml",
	".",
]);
run("npx", ["biome", "check", "--write", "src/gen"]);

const hashes: Record<string, string> = {};
for (const folder of ["proto", "src/gen"]) {
	for (const name of readdirSync(join(PACKAGE, folder), { recursive: true, encoding: "utf8" }).sort()) {
		if (!/\.(proto|ts)$/.test(name)) continue;
		const path = join(folder, name);
		hashes[path] = createHash("sha256")
			.update(readFileSync(join(PACKAGE, path)))
			.digest("hex");
	}
}
writeFileSync(join(PACKAGE, "src/gen/hashes.json"), `${JSON.stringify(hashes, null, "\t")}\n`);

function run(command: string, args: readonly string[]): void {
	const { status } = spawnSync(command, args, { cwd: PACKAGE, stdio: "inherit" });
	if (status !== 0) process.exit(status ?? 1);
}
