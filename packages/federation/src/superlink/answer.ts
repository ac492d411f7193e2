// Answers in the form in which a ServerApp in Python reads them: records of the message API (signed, in a record that
// Flower ignores), or the replies of NumPyClient.
import {
	type ConfigValue,
	configRecord,
	type DeflatedMessage,
	deflateContent,
	deflateMessage,
	type FlowerRecord,
	MESSAGE_ERROR_CODES,
	type MessageMetadata,
	type NodeIdentity,
	type ObjectId,
	replyMetadata,
} from "@zk0/flower";
import {
	encodeEvaluateReply,
	encodeFitReply,
	encodeParametersReply,
	encodePropertiesReply,
	LEGACY_STATUS_CODES,
} from "@zk0/flower/legacy";
import type { Metrics, SiteInfo } from "../client-app.ts";
import type { JsonValue } from "../json.ts";
import type { TaskResult } from "../protocol.ts";
import { replyMessage } from "../reply-message.ts";
import { wireArrays } from "../wire-arrays.ts";
import type { Dialect } from "./instruction.ts";

/** The instruction, and when and by whom it is answered. */
export interface AnswerContext {
	readonly instruction: { readonly id: ObjectId; readonly metadata: MessageMetadata };
	readonly dialect: Dialect;
	readonly identity: NodeIdentity;
	readonly nowMs: number;
	readonly signal: AbortSignal;
}

const OK = { code: LEGACY_STATUS_CODES.ok, message: "Success" };

/** The answer to a task; `updatePath` is null without an update. */
export async function taskAnswer(
	context: AnswerContext,
	result: TaskResult,
	updatePath: string | null,
): Promise<DeflatedMessage> {
	if (result.kind === "failure") return errorAnswer(context, result.message);
	if (result.kind === "evaluation" && result.loss === null)
		return errorAnswer(context, "zk0 client: this site has no held-out data to evaluate on");
	if (context.dialect === "message") return await replyMessage({ ...context, result, updatePath });
	const { numSamples: numExamples } = result;
	const metrics = new Map(numbersOf(result.metrics));
	const records =
		result.kind === "update"
			? encodeFitReply({ parameters: parametersOf(updatePath ?? ""), numExamples, metrics, status: OK })
			: encodeEvaluateReply({ loss: result.loss ?? Number.NaN, numExamples, metrics, status: OK });
	return deflateMessage(metadataOf(context), await deflateContent(records, context));
}

/** What is known of the site. */
export async function propertiesAnswer(context: AnswerContext, info: SiteInfo): Promise<DeflatedMessage> {
	const { numSamples, details } = info;
	const entries = new Map<string, ConfigValue>([["software", "zk0"]]);
	if (numSamples !== null) entries.set("num-samples", BigInt(numSamples));
	for (const [name, value] of Object.entries(details)) entries.set(name, configValue(value));
	const records =
		context.dialect === "message"
			? new Map<string, FlowerRecord>([["properties", configRecord(entries)]])
			: encodePropertiesReply(entries, OK);
	return deflateMessage(metadataOf(context), await deflateContent(records, context));
}

/** The tensors of a file: the model from which a ServerApp may start. */
export async function arraysAnswer(context: AnswerContext, path: string): Promise<DeflatedMessage> {
	const records =
		context.dialect === "message"
			? new Map<string, FlowerRecord>([["arrays", wireArrays(path)]])
			: encodeParametersReply(parametersOf(path), OK);
	return deflateMessage(metadataOf(context), await deflateContent(records, context));
}

/** Says why there is no answer; a ServerApp logs it as the node's failure. */
export function errorAnswer(context: AnswerContext, reason: string): DeflatedMessage {
	return deflateMessage(metadataOf(context), { code: MESSAGE_ERROR_CODES.clientAppRaised, reason });
}

/** Scalars as they are; what a ConfigRecord has no form for as JSON. */
function configValue(value: JsonValue): ConfigValue {
	if (typeof value === "string" || typeof value === "boolean") return value;
	if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
	return JSON.stringify(value);
}

/** Tensors in the order of their names, as NumPyClient sends lists. */
function parametersOf(path: string) {
	return Array.from(wireArrays(path).entries.values(), ({ data }) => data);
}

function numbersOf(metrics: Metrics): [string, number][] {
	return Object.entries(metrics).flatMap(([name, value]) => (value === null ? [] : [[name, value]]));
}

function metadataOf({ instruction: { id, metadata }, nowMs }: AnswerContext): MessageMetadata {
	return replyMetadata(metadata, id, nowMs / 1000);
}
