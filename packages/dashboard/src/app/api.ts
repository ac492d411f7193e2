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
	const json: unknown = await response.json();
	if (!response.ok) {
		const { message, cure } = refusalSchema.parse(json);
		throw new ApiError(response.status, cure === undefined ? message : `${message}: ${cure}`);
	}
	const parsed = schema.safeParse(json);
	if (parsed.success) return parsed.data;
	throw new ApiError(response.status, "the server speaks a newer version than this page; load it again");
}
