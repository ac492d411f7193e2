// Calls of the server that this page came from. Answers are checked, so that a page left open over an upgrade of the
// server says so instead of showing nonsense.
import { z } from "zod";

/** A call that the server refused or did not hear, or whose answer this page does not understand. */
export class ApiError extends Error {
	override readonly name = "ApiError";
	/** The answer's; null: there was none. */
	readonly status: number | null;

	constructor(status: number | null, message: string) {
		super(message);
		this.status = status;
	}
}

const refusalSchema = z
	.object({ message: z.string(), cure: z.string().optional() })
	.transform(({ message, cure }) => (cure === undefined ? message : `${message}: ${cure}`));

/** What the other side says of a problem of its own. @throws ApiError for what this page does not understand */
export function problemIn(json: unknown): string {
	return take(refusalSchema, json);
}

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
	return parse(await ask(path, signal === undefined ? {} : { signal }), schema);
}

/** Reads a text. @throws ApiError */
export async function readText(path: string, signal?: AbortSignal): Promise<string> {
	const response = await ask(path, signal === undefined ? {} : { signal });
	return response.ok ? await response.text().catch(unreached) : await parse(response, z.string());
}

/** Asks for a change; `csrfToken` is the session's. @throws ApiError */
export async function change<T>(
	method: "POST" | "DELETE",
	path: string,
	{ body, csrfToken, schema }: { body?: unknown; csrfToken: string | null; schema: z.ZodType<T> },
): Promise<T> {
	const response = await ask(path, {
		method,
		headers: {
			"content-type": "application/json",
			...(csrfToken === null ? {} : { "x-csrf-token": csrfToken }),
		},
		...(body === undefined ? {} : { body: JSON.stringify(body) }),
	});
	return parse(response, schema);
}

function ask(path: string, init: RequestInit): Promise<Response> {
	return fetch(`/api${path}`, init).catch(unreached);
}

/** Browsers say of a call that came to nothing that it is a TypeError, in words of their own. */
function unreached(error: unknown): never {
	throw error instanceof TypeError ? new ApiError(null, "zk0 cannot be reached now") : error;
}

async function parse<T>(response: Response, schema: z.ZodType<T>): Promise<T> {
	const { status } = response;
	const json = await jsonOf(response);
	if (!response.ok) {
		const refusal = refusalSchema.safeParse(json);
		if (!refusal.success) throw notOurs(status);
		throw new ApiError(status, refusal.data);
	}
	return take(schema, json);
}

async function jsonOf(response: Response): Promise<unknown> {
	try {
		return await response.json();
	} catch (error) {
		if (error instanceof SyntaxError) throw notOurs(response.status);
		return unreached(error);
	}
}

/** What stands in front of the server answers for it when it is down. */
function notOurs(status: number): ApiError {
	return new ApiError(
		status,
		`something between this page and the server answered instead of it (${status})`,
	);
}
