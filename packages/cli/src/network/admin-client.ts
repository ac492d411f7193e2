// How commands talk to the server that runs from the same state folder.
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import type { ServerHome } from "./home.ts";
import { readJsonFile } from "./private-file.ts";

/** Where the admin API is and the token of the command line; written by the server when it is ready. */
export const adminFileSchema = z.object({ pid: z.int(), port: z.int(), token: z.string() });

const refusalSchema = z.object({
	code: z.string(),
	message: z.string().default("refused"),
	cure: z.string().optional(),
});

/**
 * Calls the running server; paths are below /api.
 * @throws CliError "not-running" when there is none, "server-refused" with its words
 */
export async function callAdmin<T>(
	home: ServerHome,
	request: { readonly method: "GET" | "POST" | "DELETE"; readonly path: string; readonly body?: unknown },
	schema: z.ZodType<T>,
	signal: AbortSignal,
): Promise<T> {
	const admin = await readJsonFile(home.admin, adminFileSchema);
	if (admin === undefined) throw notRunning(home);
	const { method, path, body } = request;
	let response: Response;
	try {
		response = await fetch(`http://127.0.0.1:${admin.port}/api${path}`, {
			method,
			signal,
			headers: { authorization: `Bearer ${admin.token}`, "content-type": "application/json" },
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		});
	} catch (cause) {
		if (signal.aborted) throw cause;
		throw notRunning(home, cause);
	}
	const json: unknown = await response.json();
	if (response.ok) return schema.parse(json);
	const { code, message, cure } = refusalSchema.parse(json);
	throw new CliError("server-refused", `${message} (${code})`, cure === undefined ? {} : { cure });
}

function notRunning(home: ServerHome, cause?: unknown): CliError {
	return new CliError("not-running", `no server runs from ${home.dir}`, {
		cure: "start it with `zk0 server start`, or name its folder with --state",
		cause,
	});
}
