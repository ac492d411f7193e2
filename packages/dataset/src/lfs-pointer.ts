// Git LFS pointers: what a clone without `git lfs` has in the place of large files. Named as such, because "damaged"
// would send the reader looking for the wrong cure.
import { open } from "node:fs/promises";
import { DatasetError } from "./errors.ts";

/** No pointer is larger. */
export const MAX_POINTER_BYTES = 1024;
const MAGIC = "version https://git-lfs";

/**
 * Refuses a file that is a pointer; any other, also one that cannot be read, is left to its own reader.
 * @throws DatasetError "lfs-pointer"
 */
export async function refusePointer(path: string): Promise<void> {
	const handle = await open(path, "r").catch(() => null);
	if (handle === null) return;
	try {
		const head = new Uint8Array(MAGIC.length);
		const { bytesRead } = await handle.read(head, 0, head.length, 0);
		if (new TextDecoder().decode(head.subarray(0, bytesRead)) !== MAGIC) return;
	} finally {
		await handle.close();
	}
	throw new DatasetError(
		"lfs-pointer",
		`${path} is a Git LFS pointer, not the file itself; run \`git lfs pull\` there, or download the dataset with hf:<user>/<name>`,
		{ file: path },
	);
}
