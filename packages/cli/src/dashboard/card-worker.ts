// Entry of a worker thread that makes the card of one checkpoint and ends. Making it checks the run's whole log and hashes
// the weights, which may take seconds in which a server has other things to do.
import { parentPort, workerData } from "node:worker_threads";
import { runPaths } from "@zk0/records";
import { publishedCheckpoint } from "@zk0/records/publishing";
import { z } from "zod";

const { dir, runId, round } = z
	.object({ dir: z.string(), runId: z.string(), round: z.int() })
	.parse(workerData);
const { card } = await publishedCheckpoint(runPaths(dir, runId), {
	round,
	license: null,
	repo: null,
	withRecord: false,
});
parentPort?.postMessage(card, []);
