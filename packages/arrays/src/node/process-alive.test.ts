import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { isProcessAlive, processStart } from "./process-alive.ts";

const PATIENCE_MS = 10_000;
/** Whether the system says more of a process than that there is one. */
const SAYS_MORE = existsSync("/proc/self/stat");

test("this process and its parent run, and have started at some time", () => {
	const starts = [process.pid, process.ppid].map((pid) => {
		expect(isProcessAlive(pid)).toBe(true);
		expect(processStart(pid)).toBe(processStart(pid));
		return processStart(pid);
	});
	expect(new Set(starts).size).toBe(SAYS_MORE ? 2 : 1);
});

test("a killed process is gone before and after its parent takes note of it", async () => {
	const child = spawn(process.execPath, ["-e", "setInterval(() => undefined, 1000)"], { stdio: "ignore" });
	const ended = once(child, "exit");
	const pid = child.pid ?? 0;
	expect([isProcessAlive(pid), processStart(pid) !== null]).toEqual([true, SAYS_MORE]);
	child.kill("SIGKILL");
	// Without a pause: Node takes note of a child's end only between two tasks.
	const endMs = performance.now() + (SAYS_MORE ? PATIENCE_MS : 0);
	while (isProcessAlive(pid) && performance.now() < endMs);
	expect([isProcessAlive(pid), child.signalCode]).toEqual([!SAYS_MORE, null]);
	await ended;
	expect([isProcessAlive(pid), processStart(pid), child.signalCode]).toEqual([false, null, "SIGKILL"]);
});
