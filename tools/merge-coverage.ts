// Merges vitest's coverage of the sources with the raw V8 coverage of processes that ran the built dist.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import istanbul, { type CoverageMapData } from "istanbul-lib-coverage";
import v8ToIstanbul from "v8-to-istanbul";
import { z } from "zod";

const rawSchema = z.object({
	result: z.array(
		z.object({
			url: z.string(),
			functions: z.array(
				z.object({
					functionName: z.string(),
					isBlockCoverage: z.boolean(),
					ranges: z.array(z.object({ startOffset: z.number(), endOffset: z.number(), count: z.number() })),
				}),
			),
		}),
	),
});

/** Line coverage in percent, over everything and per package. */
export interface LineCoverage {
	readonly percent: number;
	readonly perPackage: Readonly<Record<string, number>>;
}

/** Reads vitest's istanbul report and the raw V8 reports, and counts a line as covered when any run covered it. */
export async function mergedLineCoverage(
	vitestReport: string,
	rawFiles: readonly string[],
): Promise<LineCoverage> {
	const hits = new Map<string, Map<number, boolean>>();
	addLines(hits, JSON.parse(readFileSync(vitestReport, "utf8")));
	// Most processes run most modules alike (they import them); mapping each of these once saves most of the time.
	const seen = new Set<string>();
	for (const file of rawFiles) {
		const raw = rawSchema.safeParse(parseOrNull(readFileSync(file, "utf8")));
		if (!raw.success) continue; // a killed process leaves an empty or cut report
		for (const { url, functions } of raw.data.result) {
			if (!/\/packages\/[^/]+\/dist\//.test(url)) continue;
			const key = createHash("sha256").update(url).update(JSON.stringify(functions)).digest("base64");
			if (seen.has(key)) continue;
			seen.add(key);
			const converter = v8ToIstanbul(fileURLToPath(url));
			await converter.load();
			converter.applyCoverage(functions);
			addLines(hits, converter.toIstanbul());
		}
	}
	return summarise(hits);
}

function parseOrNull(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return null;
	}
}

/** Lines count only where vitest's own report has them: it defines what a statement is. */
function addLines(hits: Map<string, Map<number, boolean>>, data: CoverageMapData): void {
	const isFirst = hits.size === 0;
	const map = istanbul.createCoverageMap(data);
	for (const path of map.files()) {
		let lines = hits.get(path);
		if (lines === undefined) {
			if (!isFirst) continue;
			lines = new Map();
			hits.set(path, lines);
		}
		for (const [line, count] of Object.entries(map.fileCoverageFor(path).getLineCoverage())) {
			if (isFirst || lines.has(Number(line)))
				lines.set(Number(line), lines.get(Number(line)) === true || count > 0);
		}
	}
}

function summarise(hits: Map<string, Map<number, boolean>>): LineCoverage {
	const totals = new Map<string, { covered: number; lines: number }>();
	for (const [path, lines] of hits) {
		const packageName = /\/packages\/([^/]+)\//.exec(path)?.[1];
		if (packageName === undefined) continue;
		const total = totals.get(packageName) ?? { covered: 0, lines: 0 };
		total.lines += lines.size;
		total.covered += [...lines.values()].filter(Boolean).length;
		totals.set(packageName, total);
	}
	const percentOf = (parts: readonly { covered: number; lines: number }[]): number => {
		const lines = parts.reduce((sum, part) => sum + part.lines, 0);
		return lines === 0 ? 0 : (100 * parts.reduce((sum, part) => sum + part.covered, 0)) / lines;
	};
	return {
		percent: percentOf([...totals.values()]),
		perPackage: Object.fromEntries([...totals].map(([name, total]) => [name, percentOf([total])])),
	};
}
