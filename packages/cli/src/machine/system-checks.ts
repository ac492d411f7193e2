// What this machine has: Node, processor, memory, disk, installed parts, variables.
import { constants } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { availableParallelism, cpus, totalmem } from "node:os";
import { dirname } from "node:path";
import { installedVersion } from "@zk0/arrays/node";
import { formatBytes } from "@zk0/records/format";
import { unreadVariables } from "../config/environment.ts";
import { codeOf } from "../exit-codes.ts";
import type { Host } from "../host.ts";
import { cacheDirectory } from "../recordings/recording-cache.ts";
import { availableMemory } from "./available-memory.ts";
import { bad, type Finding, good } from "./finding.ts";

const OLDEST_NODE = [20, 19] as const;
/** What training the small preset takes. */
const SMALL_BYTES = 0.7e9;
/** A run of the small presets with all its checkpoints, and one at full size. */
const SMALL_DISK_BYTES = 1e9;
const FULL_DISK_BYTES = 20e9;

/** Checks that need nothing but the operating system, in the order in which people read them. */
export async function checkSystem(host: Host, out: string): Promise<Finding[]> {
	return [
		checkNode(process.versions.node),
		checkProcessor(),
		checkMemory(availableMemory(), totalmem()),
		await checkFolder("disk", out),
		await checkFolder("cache", cacheDirectory(host.env)),
		...PARTS.map(checkPart),
		...unreadVariables(host.env).map(({ name, meant }) =>
			bad(
				"warning",
				"environment",
				`${name} is set and nothing reads it`,
				meant === undefined
					? "remove it; `zk0 help environment` lists what is read"
					: `did you mean ${meant}?`,
			),
		),
	];
}

/** The version of Node, written as `20.19.0`. */
export function checkNode(version: string): Finding {
	const [major = 0, minor = 0] = version.split(".").map(Number);
	const [oldest, oldestMinor] = OLDEST_NODE;
	if (major > oldest || (major === oldest && minor >= oldestMinor)) return good("node", version);
	return bad("error", "node", version, `install Node ${oldest}.${oldestMinor} or newer (nodejs.org)`);
}

function checkProcessor(): Finding {
	const cores = availableParallelism();
	const found = `${cores} ${cores === 1 ? "core" : "cores"}, ${cpus()[0]?.model ?? process.arch}`;
	return cores > 1
		? good("processor", found)
		: bad("info", "processor", found, "one site trains at a time here; more cores help most");
}

/** Memory that can be taken and that there is, in bytes. */
export function checkMemory(availableBytes: number, totalBytes: number): Finding {
	const found = `${formatBytes(availableBytes)} of ${formatBytes(totalBytes)} can be taken`;
	if (availableBytes >= SMALL_BYTES) return good("memory", found);
	const cure = `close other programs: even the small preset takes ${formatBytes(SMALL_BYTES)}`;
	return bad("error", "memory", found, cure);
}

/** Whether files can be written into `folder`, or where it will be made, and how much. */
async function checkFolder(name: string, folder: string): Promise<Finding> {
	const there = await nearestFolder(folder);
	if (!(await stat(there)).isDirectory()) {
		return bad("error", name, `${there} is a file, not a folder`, "name another folder");
	}
	try {
		await access(there, constants.W_OK);
	} catch (error) {
		const cure = `make ${there} writable, or name another folder (${name === "cache" ? "ZK0_CACHE_DIR" : "--out"})`;
		return bad("error", name, `${folder} cannot be written to (${codeOf(error) ?? "?"})`, cure);
	}
	return roomFinding(name, folder, await freeBytesAt(there));
}

/** Bytes that can still be written below a folder, which need not exist yet. */
export async function freeBytesAt(folder: string): Promise<number> {
	const { bavail, bsize } = await statfs(await nearestFolder(folder));
	return bavail * bsize;
}

/** What so many free bytes are enough for. */
export function roomFinding(name: string, folder: string, freeBytes: number): Finding {
	const found = `${formatBytes(freeBytes)} free for ${folder}`;
	if (freeBytes < SMALL_DISK_BYTES) {
		return bad("warning", name, found, "free some space: `zk0 runs prune`, `zk0 cache clear`");
	}
	if (freeBytes >= FULL_DISK_BYTES) return good(name, found);
	return bad(
		"info",
		name,
		found,
		`enough for the small presets; a run at full size wants ${formatBytes(FULL_DISK_BYTES)}`,
	);
}

async function nearestFolder(folder: string): Promise<string> {
	try {
		await access(folder, constants.F_OK);
		return folder;
	} catch (error) {
		const parent = dirname(folder);
		if (parent === folder) throw error;
		return await nearestFolder(parent);
	}
}

/** The optional packages, and what works without them. */
const PARTS = [
	{ name: "onnxruntime-node", does: "trains and runs policies" },
	{ name: "node-av", does: "reads and writes videos" },
	{ name: "@mujoco/mujoco", does: "simulates the arm" },
] as const;

function checkPart({ name, does }: (typeof PARTS)[number]): Finding {
	// The packages that need them say where they are looked for; from a clone and from npm that is above this file, too.
	const version = installedVersion(name, import.meta.url);
	if (version !== null) return good(name, version);
	const cure =
		"a server does not need it; else install zk0 again without --omit=optional (`zk0 help exit-codes`, 15)";
	return bad("warning", name, `not installed: it ${does}`, cure);
}
