// Whether a process of this machine is still there.
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
