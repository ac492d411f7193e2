// Worker thread entry: does one share of an aggregation and reports how it went.

import { parentPort, workerData } from "node:worker_threads";
import { codeOf } from "@zk0/arrays";
import { type AggregateJob, aggregatePass, type PassShare } from "./aggregate-pass.ts";

// Sent by aggregate.ts of the same version.
const { job, share } = workerData as { readonly job: AggregateJob; readonly share: PassShare };

function runPass(): { readonly ok: boolean; readonly code: string; readonly message: string } {
	try {
		const pass = aggregatePass(job, share);
		while (pass.next().done !== true) continue;
		return { ok: true, code: "", message: "" };
	} catch (error) {
		// Node keeps no `code` when it clones an error between threads.
		const code = codeOf(error) ?? "";
		return { ok: false, code, message: String(error) };
	}
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port, not a window
parentPort?.postMessage(runPass());
