// Frees array buffers that nobody uses any more. V8 does not hurry: hundreds of megabytes of parameters that were copied
// once would stay beside their copies during the whole training.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Collects the garbage of this thread now (about 10 ms). */
export function collectGarbage(): void {
	setFlagsFromString("--expose-gc");
	// With the flag set, new contexts have the function `gc`.
	const collect: unknown = runInNewContext("gc");
	if (typeof collect === "function") collect();
}
