// A process that fills a prefix store until it is killed, for tests: `store-process.ts <dir> <first> <count>`.
// Prints a line after every entry that is kept.
import { openStore } from "../prefix-cache/store.ts";
import { entryBytes, entryKey } from "./store-entries.ts";

const [dir = "", first = "0", count = "0"] = process.argv.slice(2);
await using store = await openStore({ dir, budgetBytes: 2 ** 30 });
for (let number = Number(first); number < Number(first) + Number(count); number++) {
	const isKept = await store.put(entryKey(number), [entryBytes(number)]);
	process.stdout.write(`${number} ${isKept}\n`);
}
