// Assembles every packages/*/wasm/<name>.wat into packages/*/src/<name>.wasm.ts, a module that exports the binary as
// base64. The results are checked in, so that building and running need no assembler.
// Usage: node --import tsx tools/build-wasm.ts [--check]; --check writes nothing and fails when a result is stale.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import createWabt from "wabt";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const stale: string[] = [];
for (const source of findSources()) {
	const target = join(dirname(source), "..", "src", `${basename(source, ".wat")}.wasm.ts`);
	const module = await assemble(source);
	if (readIfExists(target) === module) continue;
	stale.push(relative(root, target));
	if (!values.check) writeFileSync(target, module);
}
for (const path of stale) console.log(`${values.check ? "stale" : "wrote"} ${path}`);
if (values.check && stale.length > 0) {
	console.error("Run: node --import tsx tools/build-wasm.ts");
	process.exitCode = 1;
}

function findSources(): string[] {
	const paths = readdirSync(join(root, "packages"), { recursive: false, encoding: "utf8" }).flatMap(
		(name) => {
			const folder = join(root, "packages", name, "wasm");
			return listIfExists(folder).map((file) => join(folder, file));
		},
	);
	return paths.filter((path) => path.endsWith(".wat")).sort();
}

async function assemble(source: string): Promise<string> {
	const wabt = await createWabt();
	const parsed = wabt.parseWat(basename(source), readFileSync(source, "utf8"), {
		simd: true,
		bulk_memory: true,
	});
	parsed.validate();
	const { buffer } = parsed.toBinary({ write_debug_names: false });
	parsed.destroy();
	const lines = (
		Buffer.from(buffer)
			.toString("base64")
			.match(/.{1,100}/g) ?? []
	).map((line) => `\t"${line}",`);
	return [
		`// Assembled from ${relative(root, source)} by tools/build-wasm.ts; do not edit.`,
		"",
		`/** The WebAssembly binary of ${basename(source)}, base64. */`,
		"export const WASM_BASE64: string = [",
		...lines,
		'].join("");',
		"",
	].join("\n");
}

function readIfExists(path: string): string | null {
	try {
		return readFileSync(path, "utf8");
	} catch (error) {
		if (isMissing(error)) return null;
		throw error;
	}
}

function listIfExists(folder: string): string[] {
	try {
		return readdirSync(folder);
	} catch (error) {
		if (isMissing(error)) return [];
		throw error;
	}
}

function isMissing(error: unknown): boolean {
	return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}
