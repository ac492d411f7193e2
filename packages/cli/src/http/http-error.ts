// A refusal with its HTTP status, and how anything thrown becomes an answer.
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";
import { json, type Reply } from "./route.ts";

/** Why a request is refused before its route, or by it. */
export type HttpErrorCode =
	| "bad-request"
	| "unauthorised"
	| "forbidden"
	| "not-found"
	| "wrong-host"
	| "too-large"
	| "too-many-attempts";

const STATUS: Readonly<Record<HttpErrorCode, number>> = {
	"bad-request": 400,
	unauthorised: 401,
	forbidden: 403,
	"not-found": 404,
	"too-large": 413,
	"wrong-host": 421,
	"too-many-attempts": 429,
};

/** A request that is refused. */
export class HttpError extends Error {
	override readonly name = "HttpError";
	readonly code: HttpErrorCode;
	readonly headers: Readonly<Record<string, string>>;

	constructor(code: HttpErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
		super(message);
		this.code = code;
		this.headers = headers;
	}
}

/** The answer to a request that failed: the caller's own mistakes are 4xx, ours are 500. */
export function replyToError(error: unknown): Reply {
	const message = error instanceof Error ? error.message : String(error);
	if (error instanceof HttpError)
		return json({ code: error.code, message }, { status: STATUS[error.code], headers: error.headers });
	if (error instanceof z.ZodError)
		return json({ code: "bad-request", message: z.prettifyError(error) }, { status: 400 });
	const cure = error instanceof CliError ? error.cure : undefined;
	const isCallers = error instanceof CliError || codeOf(error) !== undefined || error instanceof RangeError;
	const body = { code: codeOf(error) ?? "internal", message, ...(cure === undefined ? {} : { cure }) };
	return json(body, { status: isCallers ? 400 : 500 });
}
