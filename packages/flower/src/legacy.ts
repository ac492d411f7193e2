// Records of Flower's older Client API (NumPyClient): four requests and their replies as record dictionaries.
// Their tensors carry no dtype or shape of their own, only the .npy bytes.
import { type ChunkSource, chunked, memoryBytes } from "./chunk-source.ts";
import { FlowerError } from "./errors.ts";
import {
	type ArrayRecord,
	arrayRecord,
	type ConfigRecord,
	type ConfigValue,
	configRecord,
	type FlowerRecord,
	type MetricRecord,
	type MetricValue,
	metricRecord,
	NUMPY_STYPE,
	type RecordDict,
} from "./record.ts";

/** Status codes of replies. */
export const LEGACY_STATUS_CODES = {
	ok: 0,
	getPropertiesNotImplemented: 1,
	getParametersNotImplemented: 2,
	fitNotImplemented: 3,
	evaluateNotImplemented: 4,
} as const;

/** Outcome of a request; `code` is one of LEGACY_STATUS_CODES. */
export interface LegacyStatus {
	readonly code: number;
	readonly message: string;
}

/** Settings by name, in order. */
export type LegacyConfig = ReadonlyMap<string, ConfigValue>;

/** The .npy bytes of each tensor, in order. */
export type LegacyParameters = readonly ChunkSource[];

/** A request to train. */
export interface FitRequest {
	readonly parameters: LegacyParameters;
	readonly config: LegacyConfig;
}

/** The reply to it. */
export interface FitReply {
	readonly parameters: LegacyParameters;
	readonly numExamples: number;
	readonly metrics: LegacyConfig;
	readonly status: LegacyStatus;
}

/** The reply to a request to evaluate, which has the form of a FitRequest. */
export interface EvaluateReply {
	readonly loss: number;
	readonly numExamples: number;
	readonly metrics: LegacyConfig;
	readonly status: LegacyStatus;
}

/** Name of the single entry that stands for "no tensors". */
const EMPTY_KEY = "_empty";

/** Records of a request to train (`fit`) or evaluate. */
export function encodeLegacyRequest(kind: "fit" | "evaluate", request: FitRequest): RecordDict {
	return new Map<string, FlowerRecord>([
		[`${kind}ins.parameters`, parametersRecord(request.parameters)],
		[`${kind}ins.config`, configRecord(request.config)],
	]);
}

/** @throws FlowerError invalid-argument when a record is missing or malformed; so do the other decoders. */
export function decodeLegacyRequest(kind: "fit" | "evaluate", records: RecordDict): FitRequest {
	return {
		parameters: parametersOf(records, `${kind}ins.parameters`),
		config: configOf(records, `${kind}ins.config`).entries,
	};
}

/** Records of a reply to `fit`. */
export function encodeFitReply(reply: FitReply): RecordDict {
	return new Map<string, FlowerRecord>([
		["fitres.metrics", configRecord(reply.metrics)],
		["fitres.num_examples", numExamplesRecord(reply.numExamples)],
		["fitres.parameters", parametersRecord(reply.parameters)],
		["fitres.status", statusRecord(reply.status)],
	]);
}

/** Reads a reply to `fit`. */
export function decodeFitReply(records: RecordDict): FitReply {
	return {
		parameters: parametersOf(records, "fitres.parameters"),
		numExamples: numExamplesOf(records, "fitres.num_examples"),
		metrics: configOf(records, "fitres.metrics").entries,
		status: statusOf(records, "fitres.status"),
	};
}

/** Records of a reply to `evaluate`. */
export function encodeEvaluateReply(reply: EvaluateReply): RecordDict {
	return new Map<string, FlowerRecord>([
		["evaluateres.loss", metricRecord([["loss", reply.loss]])],
		["evaluateres.num_examples", numExamplesRecord(reply.numExamples)],
		["evaluateres.metrics", configRecord(reply.metrics)],
		["evaluateres.status", statusRecord(reply.status)],
	]);
}

/** Reads a reply to `evaluate`. */
export function decodeEvaluateReply(records: RecordDict): EvaluateReply {
	const loss = metricOf(records, "evaluateres.loss", "loss");
	if (typeof loss !== "number") throw malformed("evaluateres.loss", "a float");
	return {
		loss,
		numExamples: numExamplesOf(records, "evaluateres.num_examples"),
		metrics: configOf(records, "evaluateres.metrics").entries,
		status: statusOf(records, "evaluateres.status"),
	};
}

/** Records of a request for parameters or properties. */
export function encodeLegacyQuery(kind: "getparameters" | "getproperties", config: LegacyConfig): RecordDict {
	return new Map([[`${kind}ins.config`, configRecord(config)]]);
}

/** Reads a request for parameters or properties. */
export function decodeLegacyQuery(
	kind: "getparameters" | "getproperties",
	records: RecordDict,
): LegacyConfig {
	return configOf(records, `${kind}ins.config`).entries;
}

/** Records of the reply with a node's parameters. */
export function encodeParametersReply(parameters: LegacyParameters, status: LegacyStatus): RecordDict {
	return new Map<string, FlowerRecord>([
		["getparametersres.parameters", parametersRecord(parameters)],
		["getparametersres.status", statusRecord(status)],
	]);
}

/** Reads the reply with a node's parameters. */
export function decodeParametersReply(records: RecordDict): {
	readonly parameters: LegacyParameters;
	readonly status: LegacyStatus;
} {
	return {
		parameters: parametersOf(records, "getparametersres.parameters"),
		status: statusOf(records, "getparametersres.status"),
	};
}

/** Records of the reply with a node's properties. */
export function encodePropertiesReply(properties: LegacyConfig, status: LegacyStatus): RecordDict {
	return new Map<string, FlowerRecord>([
		["getpropertiesres.properties", configRecord(properties)],
		["getpropertiesres.status", statusRecord(status)],
	]);
}

/** Reads the reply with a node's properties. */
export function decodePropertiesReply(records: RecordDict): {
	readonly properties: LegacyConfig;
	readonly status: LegacyStatus;
} {
	return {
		properties: configOf(records, "getpropertiesres.properties").entries,
		status: statusOf(records, "getpropertiesres.status"),
	};
}

function parametersRecord(parameters: LegacyParameters): ArrayRecord {
	const tensors = parameters.map((data, index) => [String(index), data] as const);
	const empty = [[EMPTY_KEY, chunked(memoryBytes(new Uint8Array(0)))]] as const;
	const entries = tensors.length === 0 ? empty : tensors;
	return arrayRecord(
		entries.map(([key, data]) => [key, { dtype: "", shape: [], stype: NUMPY_STYPE, data }] as const),
	);
}

function parametersOf(records: RecordDict, name: string): LegacyParameters {
	const record = records.get(name);
	if (record?.kind !== "arrays") throw malformed(name, "an ArrayRecord");
	if (record.entries.size === 1 && record.entries.has(EMPTY_KEY)) return [];
	return Array.from(record.entries.values(), ({ data }) => data);
}

function configOf(records: RecordDict, name: string): ConfigRecord {
	const record = records.get(name);
	if (record?.kind !== "config") throw malformed(name, "a ConfigRecord");
	return record;
}

function metricOf(records: RecordDict, name: string, key: string): MetricValue | undefined {
	const record = records.get(name);
	if (record?.kind !== "metrics") throw malformed(name, "a MetricRecord");
	return record.entries.get(key);
}

function numExamplesRecord(numExamples: number): MetricRecord {
	return metricRecord([["num_examples", BigInt(numExamples)]]);
}

function numExamplesOf(records: RecordDict, name: string): number {
	const value = metricOf(records, name, "num_examples");
	const count = typeof value === "bigint" || typeof value === "number" ? Number(value) : Number.NaN;
	if (!Number.isSafeInteger(count) || count < 0) throw malformed(name, "a count of examples");
	return count;
}

function statusRecord({ code, message }: LegacyStatus): ConfigRecord {
	return configRecord([
		["code", BigInt(code)],
		["message", message],
	]);
}

function statusOf(records: RecordDict, name: string): LegacyStatus {
	const { entries } = configOf(records, name);
	const code = entries.get("code");
	const message = entries.get("message");
	if (typeof code !== "bigint" || typeof message !== "string") throw malformed(name, "a code and a message");
	return { code: Number(code), message };
}

function malformed(name: string, expected: string): FlowerError {
	return new FlowerError("invalid-argument", `The message has no record "${name}" with ${expected}.`);
}
