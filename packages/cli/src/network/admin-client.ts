// How commands talk to the server that runs from the same state folder.
import { request } from "node:http";
import { text as readText } from "node:stream/consumers";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";
import type { ServerHome } from "./home.ts";
import { readJsonFile } from "./private-file.ts";

/** Where the admin API is and the token of the command line; written by the server when it is ready. */
export const adminFileSchema = z.object({ pid: z.int(), port: z.int(), token: z.string() });

const refusalSchema = z.object({
	code: z.string(),
	message: z.string().default("refused"),
	cure: z.string().optional(),
});

/** What a server only has to look up is there within this time; what it has to do first may take long. */
const LOOK_TIMEOUT_MS = 15_000;

/** What is asked of the server; paths are below /api. */
export interface AdminRequest {
	readonly method: "GET" | "POST" | "DELETE";
	readonly path: string;
	readonly body?: unknown;
	/** Silence after which the server counts as hanging. @default 15 s for what is only looked up, else none */
	readonly patienceMs?: number;
}

/**
 * Calls the running server.
 * @throws CliError "not-running" when there is none, "no-answer" when it hangs, "server-refused" with its words
 */
export async function callAdmin<T>(
	home: ServerHome,
	asked: AdminRequest,
	schema: z.ZodType<T>,
	signal: AbortSignal,
): Promise<T> {
	const admin = await readJsonFile(home.admin, adminFileSchema);
	if (admin === undefined) throw notRunning(home);
	const { status, text } = await send(admin, asked, signal).catch((cause: unknown) => {
		signal.throwIfAborted();
		throw codeOf(cause) === "ECONNREFUSED" ? notRunning(home, cause) : noAnswer(admin.pid, cause);
	});
	const json = parseJson(text);
	// Of a server that was killed its file stays, and another program may have the port by now.
	if (json === undefined || status === 401) throw notRunning(home);
	if (status < 300) return schema.parse(json);
	const { code, message, cure } = refusalSchema.parse(json);
	throw new CliError("server-refused", `${message} (${code})`, cure === undefined ? {} : { cure });
}

/** Asks over HTTP as long as it takes: `fetch` gives up after five minutes, and a model may have to be downloaded first. */
function send(
	{ port, token }: z.infer<typeof adminFileSchema>,
	{ method, path, body, patienceMs = method === "GET" ? LOOK_TIMEOUT_MS : 0 }: AdminRequest,
	signal: AbortSignal,
): Promise<{ status: number; text: string }> {
	return new Promise((resolve, reject) => {
		const asking = request(
			{
				host: "127.0.0.1",
				port,
				path: `/api${path}`,
				method,
				agent: false,
				signal,
				timeout: patienceMs,
				headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
			},
			(response) => {
				readText(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
			},
		);
		asking.once("error", reject);
		asking.once("timeout", () =>
			asking.destroy(new CliError("no-answer", `nothing within ${patienceMs} ms`)),
		);
		asking.end(body === undefined ? undefined : JSON.stringify(body));
	});
}

/** Undefined for what is no JSON. */
function parseJson(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch (error) {
		if (error instanceof SyntaxError) return undefined;
		throw error;
	}
}

function notRunning(home: ServerHome, cause?: unknown): CliError {
	return new CliError("not-running", `no server runs from ${home.dir}`, {
		cure: "start it with `zk0 server start`, or name its folder with --state",
		cause,
	});
}

function noAnswer(pid: number, cause: unknown): CliError {
	return new CliError("no-answer", `the server does not answer (process ${pid})`, {
		cure: "see `zk0 server logs`; when it hangs, end it with kill -9 and start it again: its runs go on where they were",
		cause,
	});
}
