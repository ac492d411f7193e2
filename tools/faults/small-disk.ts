// A small file system in memory, full but for what a file of ballast leaves. Needs root.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Its size and what is taken of it at first, in MiB. */
export interface SmallDisk {
	readonly sizeMb: number;
	readonly ballastMb: number;
}

/** Name of the file that takes the space; removing it frees the space. */
export const BALLAST = "ballast";

/** Mounts it at a folder, which is made. */
export function mountSmallDisk(at: string, { sizeMb, ballastMb }: SmallDisk): void {
	mkdirSync(at, { recursive: true });
	execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMb}m`, "tmpfs", at], { stdio: "pipe" });
	writeFileSync(join(at, BALLAST), Buffer.alloc(ballastMb << 20));
}

/** Takes it away, whoever uses it. */
export function unmount(at: string): void {
	execFileSync("umount", ["-l", at], { stdio: "pipe" });
}
