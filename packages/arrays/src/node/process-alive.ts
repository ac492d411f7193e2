// Whether a process of this machine is still there, and whether it is still the same one.
import { readFileSync } from "node:fs";
import { codeOf } from "../error-code.ts";

/** Places in {@link statOf}: the 3rd, 20th and 22nd field of /proc/<pid>/stat (proc(5)). */
const STATE = 3 - 3;
const NUM_THREADS = 20 - 3;
const START = 22 - 3;

/**
 * True when a process with this id runs, whoever owns it. One that has ended counts as gone even while its parent has not taken
 * note of it (a zombie: in a container whose first process waits for no children, for ever), where the system says so.
 */
export function isProcessAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
	} catch (error) {
		if (codeOf(error) !== "EPERM") return false;
	}
	const stat = statOf(pid);
	return stat === null || !hasEnded(stat);
}

/**
 * What tells a process from a later one with its id: the machine's boot and the process's start, as text to compare. Null where
 * the system does not say (it is not Linux), or not of this process: it has ended, or is somebody else's and hidden.
 */
export function processStart(pid: number): string | null {
	const boot = read("/proc/sys/kernel/random/boot_id");
	const stat = statOf(pid);
	const ticks = stat?.[START];
	return boot === null || stat === null || ticks === undefined || hasEnded(stat)
		? null
		: `${boot.trim()} ${ticks}`;
}

/** All threads are gone; while others than the first end, they may still finish a write. */
function hasEnded(stat: readonly string[]): boolean {
	return /^[ZX]$/.test(stat[STATE] ?? "") && Number(stat[NUM_THREADS]) <= 1;
}

/** Fields of /proc/<pid>/stat from the third on, which follow the name and its last parenthesis; null where there is none. */
function statOf(pid: number): readonly string[] | null {
	const stat = read(`/proc/${pid}/stat`);
	return stat === null ? null : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function read(path: string): string | null {
	try {
		return readFileSync(path, "utf8");
	} catch (error) {
		if (codeOf(error) !== undefined) return null;
		throw error;
	}
}
