// Takes results and the bytes of updates from sites: refuses what is not asked for before it costs anything, checks and
// hashes the rest while it is spooled, and answers only when the outcome is recorded.
import { FederationError, toError } from "./errors.ts";
import type { ObjectStore } from "./object-store.ts";
import type { OutcomeQueue } from "./outcome-queue.ts";
import type { ResultStatus, TaskResult } from "./protocol.ts";
import {
	freeUpload,
	inOrder,
	isDefect,
	mismatched,
	type OpenTask,
	requireTask,
	type TaskTable,
} from "./task-table.ts";
import {
	inspectUpdate,
	inspectUpdateFile,
	MAX_UPDATE_HEADER_BYTES,
	type UpdateDefect,
} from "./update-check.ts";

/** What the intake works on. */
export interface ResultIntakeOptions {
	readonly store: ObjectStore;
	readonly tasks: TaskTable;
	readonly outcomes: OutcomeQueue;
}

/** The receiving end of `pushResult` and `pushObject`. */
export interface ResultIntake {
	result(site: string, taskId: string, round: number, result: TaskResult): Promise<ResultStatus>;
	bytes(
		site: string,
		taskId: string,
		sha256: string,
		offset: number,
		content: Uint8Array,
	): Promise<ResultStatus>;
	/** Makes a failure of the server's own storage known to the round loop. */
	report(error: unknown): void;
}

type UpdateResult = Extract<TaskResult, { kind: "update" }>;
/** The length prefix of a safetensors file. */
const MIN_UPDATE_BYTES = 8;
const ACCEPTED: ResultStatus = { kind: "accepted" };

/** An intake for a server. */
export function createResultIntake(options: ResultIntakeOptions): ResultIntake {
	const { store, tasks, outcomes } = options;

	const report = (error: unknown): void => outcomes.fail(toError(error));

	/** Closes the task of the running call, which must not wait for itself. */
	const closeAnswered = (open: OpenTask): void => {
		tasks.close(open.ref.taskId, "answered").catch(report);
	};

	const refuse = async (
		site: string,
		round: number,
		defect: UpdateDefect,
		open: OpenTask | null,
	): Promise<ResultStatus> => {
		const endsTask = open !== null;
		if (open !== null) {
			open.isAnswered = true;
			closeAnswered(open);
		}
		await outcomes.push({ kind: "rejected", site, round, ...defect, endsTask });
		return { kind: "rejected", ...defect };
	};

	/** The update's object is whole and durable: record it, then answer. */
	const accept = async (open: OpenTask, result: UpdateResult): Promise<ResultStatus> => {
		open.isAnswered = true;
		const { object, numSamples, metrics } = result;
		await outcomes.push({ kind: "update", task: open.ref, ...object, numSamples, metrics });
		closeAnswered(open);
		return ACCEPTED;
	};

	const startUpdate = async (open: OpenTask, result: UpdateResult): Promise<ResultStatus> => {
		const { site, round, taskId, phase } = open.ref;
		const specs = open.task.expects;
		if (specs === null) throw mismatched(taskId, `an update does not answer a task of phase ${phase}`);
		if (result.numSamples <= 0) {
			const message = `the update was trained on ${result.numSamples} samples`;
			return await refuse(site, round, { code: "zero-samples", message }, open);
		}
		const { sha256, sizeBytes } = result.object;
		const known = store.find(sha256);
		if (known !== undefined) {
			const defect = await inspectUpdateFile(known.path, specs, known.sizeBytes);
			return defect === null ? await accept(open, result) : await refuse(site, round, defect, open);
		}
		if (sizeBytes < MIN_UPDATE_BYTES || sizeBytes > maxUpdateBytes(specs)) {
			const message = `an update of ${sizeBytes} bytes does not have the size of its tensors`;
			return await refuse(site, round, { code: "bad-file", message }, open);
		}
		if (open.upload !== null && open.upload.result.object.sha256 !== sha256) await freeUpload(open);
		open.upload = {
			result,
			upload: open.upload?.upload ?? (await store.receive()),
			inspector: open.upload?.inspector ?? inspectUpdate(specs, sizeBytes),
		};
		return { kind: "wanted", offset: open.upload.upload.receivedBytes };
	};

	const takeBytes = async (open: OpenTask, offset: number, content: Uint8Array): Promise<ResultStatus> => {
		const running = open.upload;
		if (running === null) return { kind: "unannounced" };
		const { result, upload, inspector } = running;
		const { sha256, sizeBytes } = result.object;
		const { site, round } = open.ref;
		if (offset !== upload.receivedBytes) return { kind: "wanted", offset: upload.receivedBytes };
		if (offset + content.length > sizeBytes) {
			return await refuse(site, round, { code: "bad-file", message: "more bytes than announced" }, open);
		}
		await upload.write(content);
		const early = inspector.push(content);
		if (early !== null) return await refuse(site, round, early, open);
		if (upload.receivedBytes < sizeBytes) return { kind: "wanted", offset: upload.receivedBytes };
		const defect = inspector.finish();
		if (defect !== null) return await refuse(site, round, defect, open);
		try {
			await upload.commit(sha256);
		} catch (error) {
			if (!(error instanceof FederationError && error.code === "hash-mismatch")) throw error;
			return await refuse(site, round, { code: "hash-mismatch", message: error.message }, open);
		}
		open.upload = null;
		return await accept(open, result);
	};

	const finish = async (open: OpenTask, result: TaskResult): Promise<ResultStatus> => {
		const { taskId, phase } = open.ref;
		if (result.kind === "update") return await startUpdate(open, result);
		if (result.kind === "evaluation" && phase !== "evaluate") {
			throw mismatched(taskId, `an evaluation does not answer a task of phase ${phase}`);
		}
		open.isAnswered = true;
		await outcomes.push({ task: open.ref, ...result });
		closeAnswered(open);
		return ACCEPTED;
	};

	/** Storage failures are the server's trouble: the round loop hears of them, the site may try again. */
	const answering = async (action: () => Promise<ResultStatus>): Promise<ResultStatus> => {
		try {
			return await action();
		} catch (error) {
			if (!(error instanceof FederationError && (error.code === "disk-full" || error.code === "storage"))) {
				throw error;
			}
			report(error);
			throw new FederationError("unavailable", "the server cannot store this now; try again", {
				cause: error,
			});
		}
	};

	/** Finds the open task and runs `action` on it, one call at a time. */
	const withTask = async (
		site: string,
		taskId: string,
		round: number,
		action: (open: OpenTask) => Promise<ResultStatus>,
	): Promise<ResultStatus> => {
		const found = requireTask(tasks, taskId, site, round);
		if (isDefect(found)) return await refuse(site, round, found, null);
		return await inOrder(found, async () => {
			// An earlier call may have closed the task meanwhile.
			const still = requireTask(tasks, taskId, site, round);
			return isDefect(still) ? await refuse(site, round, still, null) : await action(still);
		});
	};
	return {
		result: (site, taskId, round, result) =>
			answering(() => withTask(site, taskId, round, (open) => finish(open, result))),
		bytes: (site, taskId, sha256, offset, content) =>
			answering(async () => {
				const open = tasks.find(taskId);
				if (open !== undefined && open.ref.site === site && open.upload !== null) {
					if (open.upload.result.object.sha256 !== sha256) {
						throw mismatched(taskId, `object ${sha256} is not the announced one`);
					}
				}
				return await withTask(site, taskId, open?.ref.round ?? 0, (task) => takeBytes(task, offset, content));
			}),
		report,
	};
}

function maxUpdateBytes(specs: ReadonlyMap<string, readonly number[]>): number {
	let total = MAX_UPDATE_HEADER_BYTES;
	for (const shape of specs.values()) total += shape.reduce((product, dim) => product * dim, 4);
	return total;
}
