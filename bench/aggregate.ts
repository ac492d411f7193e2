// Benchmark `aggregate`: K updates of 25 M float32 in 10 arrays, page-cached files in, one file out, each K in a process of its
// own so that its peak memory can be told. `seconds` is the median over repeats and covers reading, summing and writing (not
// fsync); `durableSeconds` adds hashing, fsync and the move into the object store, as a round does. `compareSeconds` is the
// look at how the updates lie to each other before that.

import { execFile } from "node:child_process";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { encodeSafetensorsHeader } from "@zk0/arrays";
import { aggregateFiles, compareUpdates, openObjectStore } from "@zk0/federation";

const NUM_ARRAYS = 10;
const ELEMENTS_PER_ARRAY = 2_500_000;
const NUM_REPEATS = 5;

/** One line of the result. */
export interface AggregateFigure {
	readonly k: number;
	readonly seconds: number;
	readonly firstSeconds: number;
	readonly durableSeconds: number;
	readonly compareSeconds: number;
	readonly peakRssMb: number;
}

/** Runs the benchmark for each K in a fresh process on the same input files. */
export async function runAggregateBench({
	ks = [2, 10, 32],
}: {
	readonly ks?: readonly number[];
} = {}): Promise<AggregateFigure[]> {
	const dir = await mkdtemp(join(tmpdir(), "zk0-bench-aggregate-"));
	try {
		for (let index = 0; index < Math.max(...ks); index++) await writeUpdate(updatePath(dir, index), index);
		const figures: AggregateFigure[] = [];
		for (const k of ks) {
			const args = [...process.execArgv, fileURLToPath(import.meta.url), "--k", String(k), "--dir", dir];
			const { stdout } = await promisify(execFile)(process.execPath, args);
			const figure: AggregateFigure = JSON.parse(stdout);
			figures.push(figure);
		}
		return figures;
	} finally {
		await rm(dir, { recursive: true });
	}
}

function updatePath(dir: string, index: number): string {
	return join(dir, `update-${index}.safetensors`);
}

async function writeUpdate(path: string, seed: number): Promise<void> {
	const shape = [ELEMENTS_PER_ARRAY];
	const names = Array.from({ length: NUM_ARRAYS }, (_, index) => `array${index}`);
	const infos = names.map((name) => [name, { dtype: "float32", shape }] as const);
	const file = await open(path, "w");
	try {
		await file.write(encodeSafetensorsHeader(new Map(infos)));
		const values = new Float32Array(ELEMENTS_PER_ARRAY);
		let word = seed + 1;
		for (let array = 0; array < NUM_ARRAYS; array++) {
			for (let index = 0; index < values.length; index++) {
				word = (Math.imul(word, 1664525) + 1013904223) | 0;
				values[index] = word / 2147483648;
			}
			await file.write(new Uint8Array(values.buffer));
		}
		await file.sync();
	} finally {
		await file.close();
	}
}

async function measure(k: number, dir: string): Promise<AggregateFigure> {
	const updates = Array.from({ length: k }, (_, index) => ({
		site: `site-${String(index).padStart(2, "0")}`,
		path: updatePath(dir, index),
		weight: 100 + index,
	}));
	const store = await openObjectStore(join(dir, `store-${k}`));
	const [base] = updates;
	const runs: { readonly compared: number; readonly sum: number; readonly durable: number }[] = [];
	for (let repeat = 0; repeat < NUM_REPEATS; repeat++) {
		const out = store.scratchPath();
		const beganMs = performance.now();
		await compareUpdates({ updates, base: base?.path ?? null });
		const startMs = performance.now();
		await aggregateFiles({ updates, out });
		const summedMs = performance.now();
		const { sha256 } = await store.adopt(out);
		runs.push({
			compared: (startMs - beganMs) / 1000,
			sum: (summedMs - startMs) / 1000,
			durable: (performance.now() - startMs) / 1000,
		});
		await store.delete(sha256);
	}
	return {
		k,
		seconds: median(runs.map(({ sum }) => sum)),
		firstSeconds: round(runs[0]?.sum ?? Number.NaN),
		durableSeconds: median(runs.map(({ durable }) => durable)),
		compareSeconds: median(runs.map(({ compared }) => compared)),
		peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
	};
}

function median(values: readonly number[]): number {
	return round([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN);
}

function round(seconds: number): number {
	return Math.round(seconds * 1000) / 1000;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const { values } = parseArgs({ options: { k: { type: "string" }, dir: { type: "string" } } });
	console.log(JSON.stringify(await measure(Number(values.k), values.dir ?? "")));
}
