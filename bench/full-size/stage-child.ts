// A process that holds one stage: makes it, runs it when told, and in the end says how much memory it took.
// Arguments: name of the stage, checkpoint directory, threads.
import { readFileSync } from "node:fs";
import { STAGES } from "./stages.ts";

const [name = "", checkpoint = "", threads = "2"] = process.argv.slice(2);
const make = STAGES[name];
if (make === undefined) throw new RangeError(`stage-child: no stage ${name}`);
const stage = await make({ checkpoint, threads: Number(threads) });
process.on("message", (message) => {
	if (message === "run") void stage.run().then((figures) => process.send?.({ figures }));
	else process.send?.({ peakRssMb: peakRssMb() }, () => process.exit());
});
process.send?.({ gflop: stage.gflop });

/** Highest resident memory of this process so far, as Linux counts it; null elsewhere. */
function peakRssMb(): number | null {
	if (process.platform !== "linux") return null;
	const kilobytes = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
	return kilobytes === undefined ? null : Math.round(Number(kilobytes) / 1024);
}
