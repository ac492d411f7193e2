// Tools that some tests use as independent judges. A missing one skips the test with its reason, or fails it under
// ZK0_REQUIRE_ALL=1, where nothing may go unchecked.
import { spawnSync } from "node:child_process";
import type { TestContext } from "vitest";

/** Runs `command args` as a probe and skips the test when it does not work. */
export function requireTool(context: TestContext, command: string, args: readonly string[]): void {
	const probe = spawnSync(command, args, { encoding: "utf8" });
	if (probe.error === undefined && probe.status === 0) return;
	const reason = probe.error?.message ?? probe.stderr.trim().split("\n").at(-1) ?? "it failed";
	const message = `${command} ${args.join(" ")} does not work here: ${reason}`;
	if (process.env["ZK0_REQUIRE_ALL"] === "1")
		throw new RangeError(`${message}; install it (ZK0_REQUIRE_ALL=1)`);
	process.stderr.write(`skipped "${context.task.name}": ${message}\n`);
	context.skip(message);
}
