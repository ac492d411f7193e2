// Calls of the server that this page came from. Answers are checked, so that a page left open over an upgrade of the
// server says so instead of showing nonsense.
import { z } from "zod";

/** A call that the server refused, or whose answer this page does not understand. */
export class ApiError extends Error {
	override readonly name = "ApiError";
	readonly status: number;

	constructor(status: number, message: string) {
		super(message);
		this.status = status;
	}
}

const refusalSchema = z.object({ message: z.string(), cure: z.string().optional() });

/** What an answer or a message says. @throws ApiError for what this page does not understand */
export function take<T>(schema: z.ZodType<T>, json: unknown): T {
	const parsed = schema.safeParse(json);
	if (parsed.success) return parsed.data;
	throw new ApiError(200, "zk0 speaks a newer version than this page; load it again");
}

/** What to say of a failure. */
export function wordsOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}

/** Reads a view. @throws ApiError */
export async function read<T>(path: string, schema: z.ZodType<T>, signal?: AbortSignal): Promise<T> {
	return parse(await fetch(`/api${path}`, signal === undefined ? {} : { signal }), schema);
}

/** Reads a text. @throws ApiError */
export async function readText(path: string, signal?: AbortSignal): Promise<string> {
	const response = await fetch(`/api${path}`, signal === undefined ? {} : { signal });
	return response.ok ? await response.text() : await parse(response, z.string());
}

/** Asks for a change; `csrfToken` is the session's. @throws ApiError */
export async function change<T>(
	method: "POST" | "DELETE",
	path: string,
	{ body, csrfToken, schema }: { body?: unknown; csrfToken: string | null; schema: z.ZodType<T> },
): Promise<T> {
	const response = await fetch(`/api${path}`, {
		method,
		headers: {
			"content-type": "application/json",
			...(csrfToken === null ? {} : { "x-csrf-token": csrfToken }),
		},
		...(body === undefined ? {} : { body: JSON.stringify(body) }),
	});
	return parse(response, schema);
}

async function parse<T>(response: Response, schema: z.ZodType<T>): Promise<T> {
	const { status } = response;
	const json = await jsonOf(response);
	if (!response.ok) {
		const refusal = refusalSchema.safeParse(json);
		if (!refusal.success) throw notOurs(status);
		const { message, cure } = refusal.data;
		throw new ApiError(status, cure === undefined ? message : `${message}: ${cure}`);
	}
	return take(schema, json);
}

async function jsonOf(response: Response): Promise<unknown> {
	try {
		return await response.json();
	} catch (error) {
		if (error instanceof SyntaxError) throw notOurs(response.status);
		throw error;
	}
}

/** What stands in front of the server answers for it when it is down. */
function notOurs(status: number): ApiError {
	return new ApiError(
		status,
		`something between this page and the server answered instead of it (${status})`,
	);
}
