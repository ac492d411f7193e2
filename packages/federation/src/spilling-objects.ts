// Objects on their way: large ones in files, so that they outlive a crash, small ones in memory.
import { memoryObjects, type ObjectStore } from "@zk0/flower";
import { openObjectDirectory } from "@zk0/flower/node";

/** Objects below this size stay in memory: asking for them again costs less than a file. */
export const MIN_FILE_BYTES = 65_536;

/** A store over `directory`; what an earlier process left there counts as received. */
export async function openSpillingObjects(directory: string): Promise<ObjectStore> {
	const inMemory = memoryObjects();
	const onDisk = await openObjectDirectory(directory);
	return {
		has: async (id) => (await inMemory.has(id)) || (await onDisk.has(id)),
		read: async (id, options) => ((await inMemory.has(id)) ? inMemory : onDisk).read(id, options),
		// A small object's bytes are part of the call that brought it: copied, they do not keep all of that.
		write: (id, bytes, options) =>
			bytes.length < MIN_FILE_BYTES
				? inMemory.write(id, bytes.slice(), options)
				: onDisk.write(id, bytes, options),
		remove: async (id) => {
			await inMemory.remove(id);
			await onDisk.remove(id);
		},
	};
}
