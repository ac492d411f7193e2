// The parent's end of a stage in a process of its own.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { z } from "zod";
import type { Figures } from "./stages.ts";

const readySchema = z.object({ gflop: z.number() });
const figuresSchema = z.object({ figures: z.record(z.string(), z.number()) });
const endSchema = z.object({ peakRssMb: z.number().nullable() });

/** A stage that waits to be run. */
export interface StageProcess extends Disposable {
	/** Arithmetic of one run. */
	readonly gflop: number;
	run(): Promise<Figures>;
	/** Ends the process. @returns its highest resident memory in MiB; null where the system does not say */
	end(): Promise<number | null>;
}

/** Starts a stage. @throws RangeError when the process ends before it answers */
export async function startStage(name: string, checkpoint: string, threads: number): Promise<StageProcess> {
	const child = fork(new URL("./stage-child.ts", import.meta.url), [name, checkpoint, String(threads)], {
		execArgv: ["--import", "tsx"],
		stdio: ["ignore", "ignore", "inherit", "ipc"],
	});
	const { gflop } = readySchema.parse(await answerOf(child, name));
	return {
		gflop,
		run: async () => {
			child.send("run");
			return figuresSchema.parse(await answerOf(child, name)).figures;
		},
		end: async () => {
			child.send("end");
			return endSchema.parse(await answerOf(child, name)).peakRssMb;
		},
		[Symbol.dispose]: () => void child.kill(),
	};
}

async function answerOf(child: ChildProcess, name: string): Promise<unknown> {
	const abort = new AbortController();
	const { signal } = abort;
	try {
		const [answer] = await Promise.race([
			once(child, "message", { signal }),
			once(child, "exit", { signal }).then(([code]) => {
				throw new RangeError(`stage ${name} ended with exit code ${code}; see its error above`);
			}),
		]);
		return answer;
	} finally {
		abort.abort();
	}
}
