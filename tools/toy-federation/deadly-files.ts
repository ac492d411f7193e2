// A file system in which a process dies at a chosen place, so that a crash at every point of a write can be tried
// with the real server code.
import { mkdir, open, readdir, rename, rm, stat, truncate } from "node:fs/promises";
import type { FileSystem } from "@zk0/federation";
import type { Death } from "./settings.ts";

type OpenFile = Awaited<ReturnType<FileSystem["open"]>>;

/** The machine's file system; at the chosen place the process gets SIGKILL. */
export function deadlyFiles(death: Death | null): FileSystem {
	const files: FileSystem = { open, rename, rm, mkdir, readdir, stat, truncate };
	if (death === null) return files;
	return death.at === "append" ? dyingAtAppend(files, death) : dyingAtCall(files, death);
}

function dyingAtAppend(
	files: FileSystem,
	{ event, nth, moment }: Extract<Death, { at: "append" }>,
): FileSystem {
	let numLeft = nth;
	/** True between the write of the chosen line and its sync. */
	let isDoomed = false;
	const wrap = (file: OpenFile): OpenFile => ({
		read: file.read.bind(file),
		close: file.close.bind(file),
		sync: async () => {
			if (isDoomed && moment === "written") await die();
			await file.sync();
			if (isDoomed) await die();
		},
		// Stands in for the overloads of FileHandle.write; only the buffer form is used.
		write: (async (buffer: Uint8Array, offset: number, length: number) => {
			const text = Buffer.from(buffer.buffer, buffer.byteOffset + offset, length).toString("utf8");
			if (text.includes(`"kind":"${event}"`) && numLeft > 0) {
				numLeft--;
				if (numLeft === 0) {
					if (moment === "before") await die();
					if (moment === "half") {
						await file.write(buffer, offset, Math.ceil(length / 2));
						await file.sync();
						await die();
					}
					isDoomed = true;
				}
			}
			return await file.write(buffer, offset, length);
		}) as OpenFile["write"],
	});
	return { ...files, open: async (path, flags) => wrap(await files.open(path, flags)) };
}

function dyingAtCall(files: FileSystem, death: Extract<Death, { at: "file" }>): FileSystem {
	let numLeft = death.nth;
	const around = async <T>(call: string, path: string, action: () => Promise<T>): Promise<T> => {
		const isIt = call === death.call && path.includes(death.path) && --numLeft === 0;
		if (isIt && death.moment === "before") await die();
		const result = await action();
		if (isIt) await die();
		return result;
	};
	const wrap = (file: OpenFile, path: string): OpenFile => ({
		read: file.read.bind(file),
		close: file.close.bind(file),
		sync: file.sync.bind(file),
		// Stands in for the overloads of FileHandle.write; only the buffer form is used.
		write: ((buffer: Uint8Array, offset: number, length: number) =>
			around("write", path, () => file.write(buffer, offset, length))) as OpenFile["write"],
	});
	return {
		...files,
		open: (path, flags) => around("open", path, async () => wrap(await files.open(path, flags), path)),
		rename: (from, to) => around("rename", to, () => files.rename(from, to)),
		rm: (path, options) => around("rm", path, () => files.rm(path, options)),
	};
}

/** Nothing of this process runs any more. */
async function die(): Promise<never> {
	process.kill(process.pid, "SIGKILL");
	return await new Promise<never>(() => undefined);
}
