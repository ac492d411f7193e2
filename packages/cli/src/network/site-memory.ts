// What a site gives of its machine's memory: whether a run's training fits it, with which micro-batch, and a watch over it
// while the training runs.
import {
	describeMemory,
	FinetuneError,
	type MemoryPlan,
	type MemoryRequest,
	type MicroBatching,
	planMemory,
} from "@zk0/finetune";
import { availableMemory } from "../machine/available-memory.ts";
import { watchedMicroBatching } from "../machine/choose-micro-batch.ts";

/** A run's training under a site's limit. */
export interface SiteMemory {
	/** How the site divides batches; only ever smaller. */
	readonly microBatching: MicroBatching;
	/** Chooses the micro-batch for a task, once for each kind. @throws FinetuneError "memory-pressure" when nothing fits */
	admit(task: Pick<MemoryRequest, "batchSize" | "isProximal">): void;
}

/** What a limit is set for. */
export interface SiteMemoryOptions extends Pick<MemoryRequest, "model" | "cameras"> {
	readonly site: string;
	/** Most that the client's process may take. */
	readonly limitBytes: number;
	/** Is told, in words, what is needed and what changes. */
	readonly onNote: (text: string) => void;
	/** Bytes that the process has now. */
	readonly usedBytes?: () => number;
}

/** A limit for one run. */
export function limitMemory(options: SiteMemoryOptions): SiteMemory {
	const { model, cameras, site, limitBytes, onNote } = options;
	const { usedBytes = () => process.memoryUsage.rss() } = options;
	const microBatching = watchedMicroBatching(
		null,
		({ from, to, why }) => onNote(`${why}: ${to} samples at a time instead of ${from}`),
		() => Math.min(availableMemory(), limitBytes - usedBytes()),
	);
	const plans = new Map<string, MemoryPlan>();
	const planOf = (task: Pick<MemoryRequest, "batchSize" | "isProximal">): MemoryPlan => {
		const availableBytes = Math.min(limitBytes, availableMemory() + usedBytes());
		try {
			return planMemory({ model, cameras, microBatch: "auto", numEngines: 1, availableBytes, ...task });
		} catch (cause) {
			if (!(cause instanceof FinetuneError)) throw cause;
			const limit = `this site gives ${(limitBytes / 1e9).toFixed(1)} GB (zk0 client start --max-memory)`;
			throw new FinetuneError("memory-pressure", `${limit}: ${cause.message}`, { site, cause });
		}
	};
	return {
		microBatching,
		admit(task) {
			const key = JSON.stringify([task.batchSize, task.isProximal]);
			if (plans.has(key)) return;
			const plan = planOf(task);
			plans.set(key, plan);
			microBatching.limit(plan.microBatch);
			onNote(`memory: ${describeMemory(plan)}`);
		},
	};
}
