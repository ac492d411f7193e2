// The server's HTTP: one table of routes behind any number of sockets, plain on loopback and TLS elsewhere. Every request
// passes the same gate: known host name, known caller with the role that the route asks for, and for changes the
// session's token. Without that gate's leave a request reads nothing but the app's own files.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { isLoopback } from "@zk0/flower/node";
import { CliError } from "../cli-error.ts";
import { checkHost, checkOrigin, securityHeaders } from "./guard.ts";
import { HttpError, replyToError } from "./http-error.ts";
import { readBody, sendReply, sendStatic } from "./message.ts";
import { type Call, findRoute, type Principal, type Reply, type Role, type Route } from "./route.ts";
import { hasCsrfToken, type Sessions } from "./sessions.ts";
import type { StaticFiles } from "./static-files.ts";

/** What all sockets serve. */
export interface HttpSite {
	readonly routes: readonly Route[];
	readonly files: StaticFiles;
	readonly sessions: Sessions;
	/** Who has a bearer token. */
	readonly ofToken: (token: string) => Principal | undefined;
	/** Is told of every change before it is made; a change that cannot be noted is not made. */
	readonly onChange: (principal: Principal, change: Change) => Promise<void>;
	/** Is told of faults of this side. */
	readonly onFault: (error: unknown) => void;
}

/** A change that somebody asks for. */
export interface Change {
	readonly method: string;
	readonly path: string;
	readonly body: unknown;
	readonly peer: string;
}

/** Where to listen. */
export interface HttpAddress {
	readonly host: string;
	/** 0: the system chooses. */
	readonly port: number;
	/** What sets the port, for people. @default the server's options */
	readonly portOption?: string;
	/** Names, beside the loopback ones, under which browsers may ask. */
	readonly names: readonly string[];
	/** PEM; null: no TLS, on a loopback address only. */
	readonly certificate: { readonly certificateChain: string; readonly privateKey: string } | null;
}

/** An open socket. */
export interface HttpListener extends AsyncDisposable {
	readonly port: number;
	/** The certificate was renewed. */
	replaceCertificate(certificate: NonNullable<HttpAddress["certificate"]>): void;
}

const REQUEST_TIMEOUT_MS = 30_000;
/** Each open page holds one connection for its events, and a few for a moment. */
const MAX_CONNECTIONS = 512;
const LOOPBACK_NAMES = ["127.0.0.1", "localhost", "[::1]"];

/** Opens a socket. @throws CliError "bad-config" for one beyond this machine without TLS, or a port in use */
export async function listenHttp(site: HttpSite, address: HttpAddress): Promise<HttpListener> {
	const { host, certificate } = address;
	if (certificate === null && !isLoopback(host))
		throw new CliError("bad-config", `HTTP without TLS on ${host} could be read by others`, {
			cure: "start the server without --plaintext to serve the dashboard beyond this machine",
		});
	const names = new Set([...LOOPBACK_NAMES, host, ...address.names].map((name) => name.toLowerCase()));
	const closing = new AbortController();
	const options = { requestTimeout: REQUEST_TIMEOUT_MS };
	const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
		const isEncrypted = certificate !== null;
		serve(site, { names, isEncrypted, closing: closing.signal }, request, response).catch(
			(error: unknown) => {
				if (!response.destroyed) site.onFault(error);
				response.destroy();
			},
		);
	};
	const server =
		certificate === null
			? createServer(options, onRequest)
			: createTlsServer({ ...options, ...secureContext(certificate), minVersion: "TLSv1.3" }, onRequest);
	server.maxConnections = MAX_CONNECTIONS;
	const bound = await bind(server, address);
	return {
		port: bound.port,
		replaceCertificate: (next) => {
			if ("setSecureContext" in server) server.setSecureContext(secureContext(next));
		},
		async [Symbol.asyncDispose]() {
			closing.abort();
			const closed = new Promise<void>((resolve) => server.close(() => resolve()));
			server.closeAllConnections();
			await closed;
		},
	};
}

function secureContext({ certificateChain, privateKey }: NonNullable<HttpAddress["certificate"]>): {
	cert: string;
	key: string;
} {
	return { cert: certificateChain, key: privateKey };
}

function bind(
	server: ReturnType<typeof createServer> | TlsServer,
	{ host, port, portOption = "--admin-port or --dashboard" }: HttpAddress,
) {
	return new Promise<AddressInfo>((resolve, reject) => {
		server.once("error", (cause: NodeJS.ErrnoException) =>
			reject(
				new CliError("bad-config", `cannot listen on ${host}:${port}: ${cause.code ?? cause.message}`, {
					cure: `choose another with ${portOption}; 0 takes any free port`,
					cause,
				}),
			),
		);
		server.listen(port, host, () => {
			const address = server.address();
			if (typeof address === "object" && address !== null) resolve(address);
		});
	});
}

interface Socket {
	readonly names: ReadonlySet<string>;
	readonly isEncrypted: boolean;
	readonly closing: AbortSignal;
}

async function serve(
	site: HttpSite,
	socket: Socket,
	request: IncomingMessage,
	response: ServerResponse,
): Promise<void> {
	for (const [name, value] of Object.entries(securityHeaders(socket.isEncrypted)))
		response.setHeader(name, value);
	const gone = new AbortController();
	response.once("close", () => gone.abort());
	const signal = AbortSignal.any([gone.signal, socket.closing]);
	let reply: Reply;
	/** A stream goes on only as long as its reader may still read. */
	let mayGoOn = (): boolean => true;
	try {
		const host = checkHost(request.headers, socket.names);
		const url = new URL(request.url ?? "/", "http://localhost");
		const found = findRoute(site.routes, request.method ?? "", url.pathname);
		if (found === undefined) {
			if (sendStatic(site.files, request, url.pathname, response)) return;
			throw new HttpError("not-found", `no ${request.method} ${url.pathname}`);
		}
		const { route, params } = found;
		const isChange = route.method !== "GET";
		if (isChange) checkOrigin(request.headers, host, socket.isEncrypted);
		const principal = route.access === "public" ? null : admit(site, request, route.access, isChange);
		const access = route.access;
		if (access !== "public") mayGoOn = () => isAdmitted(site, request, access);
		const body = isChange ? await readBody(request) : undefined;
		const peer = request.socket.remoteAddress ?? "";
		const call: Call = {
			params,
			query: url.searchParams,
			body,
			peer,
			lastEventId: headerOf(request, "last-event-id"),
			cookie: site.sessions.cookieIn(request.headers.cookie),
			isEncrypted: socket.isEncrypted,
			signal,
		};
		if (isChange && principal !== null)
			await site.onChange(principal, { method: route.method, path: url.pathname, body, peer });
		reply = await route.handle(call, principal);
	} catch (error) {
		reply = replyToError(error);
		if (reply.kind === "json" && reply.status === 500) site.onFault(error);
	}
	await sendReply(reply, request, response, { signal, mayGoOn });
}

/** The caller, when they may. @throws HttpError unauthorised | forbidden */
function admit(site: HttpSite, request: IncomingMessage, wanted: Role, isChange: boolean): Principal {
	const token = bearerToken(request);
	if (token !== null) {
		const principal = site.ofToken(token);
		if (principal === undefined) throw new HttpError("unauthorised", "the token is not known");
		return requireRole(principal, wanted);
	}
	const session = site.sessions.find(site.sessions.cookieIn(request.headers.cookie) ?? "");
	if (session === undefined) throw new HttpError("unauthorised", "sign in first");
	if (isChange && !hasCsrfToken(session, request.headers["x-csrf-token"]))
		throw new HttpError("forbidden", "the change does not come from this session's page; load it again");
	return requireRole(session.principal, wanted);
}

function isAdmitted(site: HttpSite, request: IncomingMessage, wanted: Role): boolean {
	try {
		admit(site, request, wanted, false);
		return true;
	} catch (error) {
		if (error instanceof HttpError) return false;
		throw error;
	}
}

function requireRole(principal: Principal, wanted: Role): Principal {
	if (wanted === "viewer" || principal.role === "operator") return principal;
	throw new HttpError("forbidden", `${principal.name} may look but not change anything; ask an operator`);
}

function bearerToken(request: IncomingMessage): string | null {
	const [scheme, token] = (request.headers.authorization ?? "").split(" ", 2);
	return scheme === "Bearer" && token !== undefined ? token : null;
}

function headerOf(request: IncomingMessage, name: string): string | null {
	const value = request.headers[name];
	return typeof value === "string" ? value : null;
}
