// Memory of a process and everything it started, sampled while it runs. Linux only: elsewhere nothing is measured.
import { readdirSync, readFileSync } from "node:fs";

const SAMPLE_MS = 200;

/** Highest values seen, MiB; null where the system does not say. */
export interface PeakMemory {
	/** Resident memory summed over the processes: pages that they share count several times. */
	readonly peakRssMb: number | null;
	/** Proportional share: shared pages counted once in all. */
	readonly peakPssMb: number | null;
}

/** Watches process `pid` and its descendants until `stop`. */
export function watchMemory(pid: number): { stop(): PeakMemory } {
	let peak: { rss: number; pss: number } | null = null;
	const sample = (): void => {
		let [rss, pss] = [0, 0];
		for (const id of descendants(pid)) {
			const found = memoryOf(id);
			if (found === null) continue;
			rss += found.rss;
			pss += found.pss;
		}
		if (rss > 0) peak = { rss: Math.max(peak?.rss ?? 0, rss), pss: Math.max(peak?.pss ?? 0, pss) };
	};
	const timer = setInterval(sample, SAMPLE_MS);
	return {
		stop() {
			clearInterval(timer);
			return { peakRssMb: inMiB(peak?.rss), peakPssMb: inMiB(peak?.pss) };
		},
	};
}

function inMiB(kib: number | undefined): number | null {
	return kib === undefined ? null : Math.round(kib / 1024);
}

/** The process and all below it. */
function descendants(root: number): number[] {
	const children = new Map<number, number[]>();
	for (const name of listProcesses()) {
		const parent = parentOf(name);
		if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
	}
	const found = [root];
	for (const id of found) found.push(...(children.get(id) ?? []));
	return found;
}

function listProcesses(): string[] {
	return readIfThere(() => readdirSync("/proc").filter((name) => /^\d+$/.test(name))) ?? [];
}

function parentOf(pid: string): number | null {
	const text = readIfThere(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
	return text === null ? null : Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
}

function memoryOf(pid: number): { rss: number; pss: number } | null {
	const text = readIfThere(() => readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
	if (text === null) return null;
	const kib = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
	return { rss: kib("Rss"), pss: kib("Pss") };
}

/** Processes end while they are looked at. */
function readIfThere<T>(read: () => T): T | null {
	try {
		return read();
	} catch (error) {
		if (error instanceof Error && "code" in error && typeof error.code === "string") return null;
		throw error;
	}
}
