// Whether a file that the metadata names can be what it should be, from its size and first bytes.
import { open } from "node:fs/promises";

/** Condition of a file. */
export type FileCondition = "ok" | "missing" | "empty" | "lfs-pointer";

/** First words of a git-LFS pointer file (git-lfs specification, version 1). */
const LFS_MARK = "version https://git-lfs.github.com/spec/";

/** Looks at the first bytes of a file; whatever cannot be opened counts as missing. */
export async function fileCondition(path: string): Promise<FileCondition> {
	const handle = await open(path, "r").catch(() => null);
	if (handle === null) return "missing";
	try {
		const stat = await handle.stat();
		if (!stat.isFile()) return "missing";
		if (stat.size === 0) return "empty";
		const { buffer, bytesRead } = await handle.read(Buffer.alloc(LFS_MARK.length), 0, LFS_MARK.length, 0);
		return buffer.toString("latin1", 0, bytesRead) === LFS_MARK ? "lfs-pointer" : "ok";
	} finally {
		await handle.close();
	}
}
