// How often a process that moves models collects garbage. V8 counts the bytes of buffers against a limit that it derives
// from the size of the JavaScript heap: a process with a heap of 20 MB that sends chunks of 5 MiB marks that whole heap
// about once per chunk, which took half of the client's processor time of an upload (docs/log.md).
import { setFlagsFromString } from "node:v8";

/** The next collection comes when the heap and its buffers have grown by this much, in percent of what was alive. */
const GROWTH_PERCENT = 400;

/** For the whole process, all of its threads; call it once, in a process that sends or receives models. */
export function makeHeapRoom(): void {
	setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
