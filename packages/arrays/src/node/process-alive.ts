// Whether a process of this machine is still there, and whether it is still the same one.
import { readFileSync } from "node:fs";
import { codeOf } from "../error-code.ts";

/** True when a process with this id exists, whoever owns it. */
export function isProcessAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return codeOf(error) === "EPERM";
	}
}

/** Fields of /proc/<pid>/stat after the name, which ends with the last parenthesis (proc(5)): starttime is the 22nd of all. */
const START_FIELD = 22 - 3;

/**
 * What tells a process from a later one with its id: the machine's boot and the process's start, as text to compare. Null where
 * the system does not say (it is not Linux), or not of this process: it is gone, or somebody else's and hidden.
 */
export function processStart(pid: number): string | null {
	const boot = read("/proc/sys/kernel/random/boot_id");
	const stat = read(`/proc/${pid}/stat`);
	const ticks = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[START_FIELD];
	return boot === null || ticks === undefined ? null : `${boot.trim()} ${ticks}`;
}

function read(path: string): string | null {
	try {
		return readFileSync(path, "utf8");
	} catch (error) {
		if (codeOf(error) !== undefined) return null;
		throw error;
	}
}
