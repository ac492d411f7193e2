// Child process that records one simulated dataset: MuJoCo and the renderer keep a core busy, so several of these
// run side by side and the parent stays responsive. Its one argument is a RecordTask as JSON.
import { recordDataset } from "@zk0/sim";
import { codeOf } from "../exit-codes.ts";
import { type RecordMessage, recordTaskSchema } from "./record-protocol.ts";

function send(message: RecordMessage): void {
	process.send?.(message);
}

/** Says how it ended and ends, whatever handles are still open. */
function end(message: RecordMessage, exitCode: number): void {
	if (!process.connected) process.exit(exitCode);
	process.send?.(message, () => process.exit(exitCode));
}

// Without its parent nobody wants the recording.
const controller = new AbortController();
process.on("disconnect", () => controller.abort());
// Ctrl-C in a terminal reaches the whole group; the parent decides.
process.on("SIGINT", () => undefined);

const { dir, source, codec } = recordTaskSchema.parse(JSON.parse(process.argv[2] ?? ""));
try {
	await recordDataset(dir, {
		...source,
		codec,
		onEpisode: (numDone) => send({ kind: "episode", numDone }),
		signal: controller.signal,
	});
	end({ kind: "done" }, 0);
} catch (error) {
	const message = error instanceof Error ? error.message : String(error);
	end({ kind: "failed", message, code: codeOf(error) ?? "unknown" }, 1);
}
