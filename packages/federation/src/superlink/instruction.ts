// What a ServerApp in Python asks of a node, as this project's tasks: Flower's message API (strategies such as FedAvg and
// FedProx) and the older one of NumPyClient. What a site cannot or must not do is named, so that the server hears why.
import {
	type ArrayRecord,
	arrayRecord,
	type ConfigRecord,
	type ConfigValue,
	type FlowerArray,
	FlowerError,
	type FlowerMessage,
	openArray,
	type RecordDict,
} from "@zk0/flower";
import { decodeLegacyRequest } from "@zk0/flower/legacy";
import { FederationError } from "../errors.ts";
import type { JsonValue } from "../json.ts";
import type { SentTask } from "../protocol.ts";
import { readTask } from "../task-message.ts";
import { compareTensors, type TensorSpecs } from "../update-check.ts";
import { wireTensors } from "../wire-arrays.ts";

/** What Flower's messages do not say, chosen at the site. */
export interface SiteDefaults {
	readonly seed: number;
	/** Where the message's config has no `local-steps`. */
	readonly numLocalSteps: number;
	/** Rounds that the learning rate's schedule is planned for. */
	readonly numRounds: number;
	/** Goes to the ClientApp as it is. */
	readonly learning: JsonValue;
}

/** The API in which a message came and its reply must go. */
export type Dialect = "message" | "numpy-client";

/** What a message asks for. */
export type Instruction =
	| {
			readonly kind: "task";
			readonly dialect: Dialect;
			readonly task: Omit<SentTask, "weights">;
			/** As they came; see `modelArrays`. */
			readonly arrays: ArrayRecord;
			/** SHA-256 of the weights' file in a task of zk0's own round loop, which says everything; else null. */
			readonly weights: string | null;
	  }
	| { readonly kind: "properties"; readonly dialect: Dialect }
	| { readonly kind: "arrays"; readonly dialect: Dialect }
	| { readonly kind: "unsupported"; readonly reason: string };

/**
 * Reads a message: a ServerApp's in Python, or a task of `zk0 run --superlink`. `countRound` gives the round's number where
 * the message does not.
 */
export function readInstruction(
	message: FlowerMessage,
	defaults: SiteDefaults,
	countRound: (run: bigint) => number,
): Instruction {
	const { metadata, payload } = message;
	const { messageType, runId, groupId } = metadata;
	if (payload.kind === "error") return unsupported("an instruction must carry records, not an error");
	const { content } = payload;
	const [kind = "", action] = messageType.split(".");
	if (messageType === "get_properties") return { kind: "properties", dialect: "numpy-client" };
	if (messageType === "get_parameters") return { kind: "arrays", dialect: "numpy-client" };
	if (messageType === "query" || messageType === "query.properties")
		return { kind: "properties", dialect: "message" };
	if (messageType === "query.arrays") return { kind: "arrays", dialect: "message" };
	if ((kind !== "train" && kind !== "evaluate") || (action !== undefined && action !== "default"))
		return unsupported(`messages of type "${messageType}" are not served`);
	const request = readRequest(content, kind);
	if ("reason" in request) return unsupported(request.reason);
	const { arrays, config, dialect } = request;
	if (config.has("weights-sha256")) return ownTask(message);
	if (config.has("clipping_norm"))
		return unsupported("client-side differential privacy (clipping_norm) is not done by this client");
	const numLocalSteps = countOf(config.get("local-steps")) ?? defaults.numLocalSteps;
	const named = countOf(config.get("server-round")) ?? countOf(config.get("server_round"));
	const round = named ?? (/^\d{1,9}$/.test(groupId) ? Number(groupId) : countRound(runId));
	const proximalMu = config.get("proximal-mu") ?? config.get("proximal_mu") ?? 0;
	if (typeof proximalMu !== "number" && typeof proximalMu !== "bigint")
		return unsupported("proximal-mu is not a number");
	const task: Omit<SentTask, "weights"> = {
		phase: kind,
		runId: `flower-${runId}`,
		round,
		seed: defaults.seed,
		numLocalSteps,
		globalStep: Math.max(0, kind === "train" ? round - 1 : round) * numLocalSteps,
		totalSteps: defaults.numRounds * numLocalSteps,
		proximalMu: Number(proximalMu),
		clipNorm: null,
		learning: defaults.learning,
	};
	return { kind: "task", dialect, task, arrays, weights: null };
}

/** A task of zk0's own round loop at the other end of the SuperLink. */
function ownTask(message: FlowerMessage): Instruction {
	try {
		const { task, weights: arrays } = readTask(message);
		return { kind: "task", dialect: "message", task, arrays, weights: task.weights };
	} catch (error) {
		if (error instanceof FederationError && error.code === "bad-message") return unsupported(error.message);
		throw error;
	}
}

interface Request {
	readonly arrays: ArrayRecord;
	readonly config: ReadonlyMap<string, ConfigValue>;
	readonly dialect: Dialect;
}

function readRequest(
	content: RecordDict,
	phase: "train" | "evaluate",
): Request | { readonly reason: string } {
	if (content.has("secaggplus_configs"))
		return { reason: "secure aggregation (SecAgg+) is not done by this client" };
	const legacy = phase === "train" ? "fit" : "evaluate";
	if (content.has(`${legacy}ins.parameters`)) {
		const { parameters, config } = decodeLegacyRequest(legacy, content);
		const entries = parameters.map((data, index): [string, FlowerArray] => [
			String(index),
			{ dtype: "", shape: [], stype: "numpy.ndarray", data },
		]);
		return { arrays: arrayRecord(entries), config, dialect: "numpy-client" };
	}
	const records = [...content.values()];
	const arrays = records.filter((record): record is ArrayRecord => record.kind === "arrays");
	const configs = records.filter((record): record is ConfigRecord => record.kind === "config");
	const [first] = arrays;
	if (first === undefined || arrays.length > 1 || configs.length > 1)
		return {
			reason: `exactly one ArrayRecord and at most one ConfigRecord are expected, got ${arrays.length} and ${configs.length}`,
		};
	return { arrays: first, config: configs[0]?.entries ?? new Map(), dialect: "message" };
}

/**
 * The arrays under the model's names: as they came, or numbered in the order of the sorted names, as lists of arrays travel.
 * @throws FlowerError invalid-argument when they are not the model's tensors; unimplemented for arrays that cannot be read
 */
export async function modelArrays(
	arrays: ArrayRecord,
	specs: TensorSpecs,
	options: { readonly signal: AbortSignal },
): Promise<ArrayRecord> {
	const names = [...specs.keys()].sort();
	const isNumbered =
		arrays.entries.size === names.length && names.every((_, index) => arrays.entries.has(String(index)));
	const entries: [string, FlowerArray][] = [];
	for (const [key, array] of arrays.entries) {
		const name = isNumbered ? (names[Number(key)] ?? key) : key;
		// The older API says what an array is in its bytes only.
		const { dtype, shape } = array.dtype === "" ? await openArray(array, options) : array;
		entries.push([name, { ...array, dtype, shape }]);
	}
	const record = arrayRecord(entries);
	const defect = compareTensors(wireTensors(record), specs);
	if (defect === null) return record;
	throw new FlowerError(
		"invalid-argument",
		`The arrays are not those of this site's model: ${defect.message}; get them with a query.arrays message.`,
	);
}

function countOf(value: ConfigValue | undefined): number | undefined {
	const number = typeof value === "bigint" || typeof value === "number" ? Number(value) : Number.NaN;
	return Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

function unsupported(what: string): Instruction {
	return { kind: "unsupported", reason: `zk0 client: ${what}` };
}
