// The server's admin API: JSON over HTTP on a loopback port, with a token that only the operator's account can read. The
// command line is its only client today; it is not meant for the internet and refuses to be there.
import { timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";

/** Answers a request's JSON body with JSON. */
export type AdminHandler = (body: unknown) => Promise<unknown>;

/** Handlers by `METHOD /path`. */
export type AdminRoutes = ReadonlyMap<string, AdminHandler>;

/** An open admin API. */
export interface AdminListener extends AsyncDisposable {
	readonly port: number;
}

/** Bound on a request's body: settings of a run are a few kilobytes. */
const MAX_BODY_BYTES = 262_144;
const REQUEST_TIMEOUT_MS = 30_000;

/** Listens on a loopback port that the system chooses. */
export async function serveAdmin(routes: AdminRoutes, token: string): Promise<AdminListener> {
	const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
		answer(routes, token, request)
			.then(([status, body]) => send(response, status, body))
			.catch((error: unknown) => send(response, 500, errorBody(error)));
	});
	server.maxConnections = 32;
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject);
		server.listen(0, "127.0.0.1", resolve);
	});
	const address = server.address();
	return {
		port: typeof address === "object" && address !== null ? address.port : 0,
		async [Symbol.asyncDispose]() {
			const closed = new Promise<void>((resolve) => server.close(() => resolve()));
			server.closeAllConnections();
			await closed;
		},
	};
}

async function answer(
	routes: AdminRoutes,
	token: string,
	request: IncomingMessage,
): Promise<readonly [number, unknown]> {
	if (!isAuthorised(request.headers.authorization, token)) return [401, { code: "unauthorised" }];
	const handler = routes.get(`${request.method} ${request.url}`);
	if (handler === undefined)
		return [404, { code: "not-found", message: `no ${request.method} ${request.url}` }];
	try {
		return [200, await handler(await readBody(request))];
	} catch (error) {
		const isCallers = error instanceof CliError || codeOf(error) !== undefined || error instanceof RangeError;
		return [isCallers ? 400 : 500, errorBody(error)];
	}
}

function isAuthorised(header: string | undefined, token: string): boolean {
	const given = Buffer.from(header ?? "");
	const wanted = Buffer.from(`Bearer ${token}`);
	return given.length === wanted.length && timingSafeEqual(given, wanted);
}

async function readBody(request: IncomingMessage): Promise<unknown> {
	const chunks: Buffer[] = [];
	let numBytes = 0;
	for await (const chunk of request) {
		const bytes = Buffer.from(chunk);
		numBytes += bytes.length;
		if (numBytes > MAX_BODY_BYTES)
			throw new CliError("bad-config", `a request of over ${MAX_BODY_BYTES} bytes`);
		chunks.push(bytes);
	}
	return numBytes === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

function send(response: ServerResponse, status: number, body: unknown): void {
	response.writeHead(status, { "content-type": "application/json" });
	response.end(JSON.stringify(body ?? null));
}

function errorBody(error: unknown): { code: string; message: string; cure?: string } {
	const message = error instanceof Error ? error.message : String(error);
	const cure = error instanceof CliError ? error.cure : undefined;
	return { code: codeOf(error) ?? "internal", message, ...(cure === undefined ? {} : { cure }) };
}
