// How much memory this process may still take: what the system has free, within what the container allows. Page cache
// counts as free: the system gives it up first.
import { readFileSync } from "node:fs";
import { freemem } from "node:os";
import { join } from "node:path";
import { codeOf } from "../exit-codes.ts";

/** Bytes that can still be taken. `root` is where /proc and /sys are mounted. */
export function availableMemory(root = "/"): number {
	const system = availableOfSystem(root) ?? freemem();
	return Math.min(
		system,
		...groupsOf(root).map((group) => availableOfGroup(group) ?? Number.POSITIVE_INFINITY),
	);
}

/** MemAvailable of Linux; undefined elsewhere. */
function availableOfSystem(root: string): number | undefined {
	const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(read(join(root, "proc/meminfo")) ?? "")?.[1];
	return kib === undefined ? undefined : Number(kib) * 1024;
}

/** Directories of the control groups that limit this process's memory, from its own up to the root's. */
function groupsOf(root: string): string[] {
	const found: string[] = [];
	for (const line of (read(join(root, "proc/self/cgroup")) ?? "").split("\n")) {
		const [, controllers, path] = line.split(":");
		if (controllers === undefined || path === undefined) continue;
		const isMemory = controllers === "" || controllers.split(",").includes("memory");
		if (!isMemory) continue;
		const mount = join(root, "sys/fs/cgroup", controllers === "" ? "" : "memory");
		const parts = path.split("/").filter((part) => part !== "" && part !== "..");
		for (let depth = parts.length; depth >= 0; depth--) found.push(join(mount, ...parts.slice(0, depth)));
	}
	return found;
}

/** What a control group leaves, of either version; undefined when it sets no limit. */
function availableOfGroup(group: string): number | undefined {
	const [limitName, usageName, cacheKey] =
		read(join(group, "memory.max")) === undefined
			? ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"]
			: ["memory.max", "memory.current", "inactive_file"];
	const limit = Number(read(join(group, limitName)));
	const usage = Number(read(join(group, usageName)));
	// "max" and a missing file are not numbers.
	if (!Number.isFinite(limit) || !Number.isFinite(usage) || limit === 0) return undefined;
	const stat = read(join(group, "memory.stat")) ?? "";
	const cache = Number(new RegExp(`^${cacheKey} (\\d+)$`, "m").exec(stat)?.[1] ?? 0);
	return Math.max(0, limit - (usage - cache));
}

function read(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8").trim();
	} catch (error) {
		if (codeOf(error) !== undefined) return undefined;
		throw error;
	}
}
