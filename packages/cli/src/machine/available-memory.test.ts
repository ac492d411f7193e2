import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { freemem, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { availableMemory } from "./available-memory.ts";

const GIB = 2 ** 30;
let root = "";
beforeEach(async () => {
	root = await mkdtemp(join(tmpdir(), "zk0-memory-"));
});
afterEach(() => rm(root, { recursive: true }));

async function put(files: Readonly<Record<string, string>>): Promise<void> {
	for (const [name, text] of Object.entries(files)) {
		await mkdir(dirname(join(root, name)), { recursive: true });
		await writeFile(join(root, name), `${text}\n`);
	}
}

const SYSTEM = { "proc/meminfo": `MemTotal: 33554432 kB\nMemAvailable:    8388608 kB\nBuffers: 1 kB` };

test("without limits it is what the system has; elsewhere than on Linux what Node says", async () => {
	expect(availableMemory(root)).toBeGreaterThan(0.2 * freemem());
	await put({ ...SYSTEM, "proc/self/cgroup": "0::/", "sys/fs/cgroup/memory.max": "max" });
	expect(availableMemory(root)).toBe(8 * GIB);
	expect(availableMemory()).toBeGreaterThan(0);
});

test("a container's limit counts, its page cache does not, and an outer group's limit holds, too", async () => {
	await put({
		...SYSTEM,
		"proc/self/cgroup": "0::/outer/inner",
		"sys/fs/cgroup/outer/inner/memory.max": String(4 * GIB),
		"sys/fs/cgroup/outer/inner/memory.current": String(3 * GIB),
		"sys/fs/cgroup/outer/inner/memory.stat": `anon 1\ninactive_file ${GIB}`,
	});
	expect(availableMemory(root)).toBe(2 * GIB);
	await put({ "sys/fs/cgroup/outer/memory.max": String(GIB), "sys/fs/cgroup/outer/memory.current": "0" });
	expect(availableMemory(root)).toBe(GIB);
});

test("the older control groups are read, and a limit that is used up leaves nothing", async () => {
	await put({
		...SYSTEM,
		"proc/self/cgroup": "5:cpu:/x\n4:memory:/job",
		"sys/fs/cgroup/memory/job/memory.limit_in_bytes": String(2 * GIB),
		"sys/fs/cgroup/memory/job/memory.usage_in_bytes": String(3 * GIB),
		"sys/fs/cgroup/memory/job/memory.stat": `total_inactive_file ${GIB / 2}`,
		"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
		"sys/fs/cgroup/memory/memory.usage_in_bytes": String(3 * GIB),
	});
	expect(availableMemory(root)).toBe(0);
});
