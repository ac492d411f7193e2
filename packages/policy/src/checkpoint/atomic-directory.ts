// A directory that is either the old one or the whole new one: filled under a temporary name beside it, then swapped
// in by renames. On any failure (full disk included) the temporary directory is removed and the old one is in place.

import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { codeOf } from "@zk0/arrays";
import { PolicyError } from "../errors.ts";

async function syncDirectory(path: string): Promise<void> {
	if (process.platform === "win32") return; // Windows cannot open a directory for fsync
	const handle = await open(path, "r");
	try {
		await handle.sync();
	} finally {
		await handle.close();
	}
}

/** Puts `temporary` in the place of `target`; an old directory is set aside and put back when that fails. */
async function swapIn(temporary: string, target: string): Promise<void> {
	const aside = `${temporary}.old`;
	let hasOld = true;
	try {
		await rename(target, aside);
	} catch (error) {
		if (codeOf(error) !== "ENOENT") throw error;
		hasOld = false;
	}
	try {
		await rename(temporary, target);
	} catch (error) {
		if (hasOld) await rename(aside, target);
		throw error;
	}
	await syncDirectory(dirname(target));
	await rm(aside, { recursive: true, force: true });
}

/**
 * Replaces the directory `target` by what `fill` writes into the directory it is given; `fill` fsyncs its files.
 * @throws PolicyError write-failed with the cause; a PolicyError of `fill` itself passes through
 */
export async function replaceDirectory(
	target: string,
	fill: (directory: string) => Promise<void>,
): Promise<void> {
	const parent = dirname(target);
	const temporary = join(parent, `.${basename(target)}.tmp-${process.pid}-${process.hrtime.bigint()}`);
	try {
		await mkdir(temporary, { recursive: true });
		await fill(temporary);
		await syncDirectory(temporary);
		await swapIn(temporary, target);
	} catch (cause) {
		await rm(temporary, { recursive: true, force: true });
		if (cause instanceof PolicyError) throw cause;
		const cure = codeOf(cause) === "ENOSPC" ? "the disk is full; free some space" : "nothing was changed";
		throw new PolicyError("write-failed", `the checkpoint could not be written: ${cure}`, {
			cause,
			path: target,
		});
	}
}
