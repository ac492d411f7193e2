// Finds the files of external initializers. ONNX Runtime reads them only below one directory, relative to it and after
// resolving links, so the directory is the deepest one that contains the real paths of all files.
import { realpath, stat } from "node:fs/promises";
import { dirname, relative, sep } from "node:path";
import { AutodiffError } from "../errors.ts";
import type { Graph } from "../graph.ts";

/** Where ONNX Runtime finds the weights of a graph. */
export interface WeightFiles {
	/** Null when the graph has no external initializers. */
	readonly folder: string | null;
	/** Location of a file relative to the folder. */
	readonly locate: (path: string) => string;
}

/** Resolves and checks all files. @throws AutodiffError "runtime-failed" for a missing or short file. */
export async function findWeightFiles(graph: Graph): Promise<WeightFiles> {
	const endBytes = new Map<string, number>();
	for (const node of graph.nodes) {
		if (node.kind !== "external") continue;
		const { path, offsetBytes, sizeBytes } = node.region;
		endBytes.set(path, Math.max(endBytes.get(path) ?? 0, offsetBytes + sizeBytes));
	}
	const realPaths = new Map<string, string>();
	for (const [path, neededBytes] of endBytes) realPaths.set(path, await resolveFile(path, neededBytes));
	const [first, ...others] = [...realPaths.values()].map((path) => dirname(path));
	if (first === undefined) return { folder: null, locate: (path) => path };
	let folder = first;
	while (others.some((other) => other !== folder && !other.startsWith(withSeparator(folder)))) {
		if (dirname(folder) === folder) {
			throw new AutodiffError(
				"runtime-failed",
				`weights on different drives: ${[...realPaths.values()].join(", ")}`,
			);
		}
		folder = dirname(folder);
	}
	return {
		folder,
		locate: (path) =>
			relative(folder, realPaths.get(path) ?? path)
				.split(sep)
				.join("/"),
	};
}

async function resolveFile(path: string, neededBytes: number): Promise<string> {
	let resolved: { readonly path: string; readonly sizeBytes: number };
	try {
		resolved = { path: await realpath(path), sizeBytes: (await stat(path)).size };
	} catch (cause) {
		throw new AutodiffError("runtime-failed", `weights file ${path} cannot be opened`, { cause });
	}
	if (resolved.sizeBytes < neededBytes) {
		throw new AutodiffError(
			"runtime-failed",
			`weights file ${path} has ${resolved.sizeBytes} bytes, the graph reads up to byte ${neededBytes}`,
		);
	}
	return resolved.path;
}

function withSeparator(folder: string): string {
	return folder.endsWith(sep) ? folder : folder + sep;
}
