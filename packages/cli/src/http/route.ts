// What the server's HTTP routes are: a method, a path with `:names`, who may call it, and a function from a call to a
// reply. A table of fewer than fifty rows is searched row by row, so this needs no routing library.

/** What somebody may do: a viewer reads, an operator also changes. */
export type Role = "viewer" | "operator";

/** Somebody who has shown who they are. */
export interface Principal {
	readonly name: string;
	readonly role: Role;
}

/** A message of an event stream. */
export interface StreamMessage {
	/** Where a reader that lost the connection goes on; see `Call.lastEventId`. */
	readonly id?: string;
	readonly event: string;
	readonly data: unknown;
}

/** What a route answers. */
export type Reply =
	| {
			readonly kind: "json";
			readonly status: number;
			readonly body: unknown;
			readonly headers: Readonly<Record<string, string>>;
	  }
	| { readonly kind: "text"; readonly status: number; readonly text: string; readonly type: string }
	| { readonly kind: "file"; readonly path: string; readonly name: string }
	/** A file that is played, in the parts that the player asks for. */
	| { readonly kind: "media"; readonly path: string; readonly type: string }
	| { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly type: string }
	| { readonly kind: "stream"; readonly messages: AsyncIterable<StreamMessage> };

/** A request as its route sees it. */
export interface Call {
	/** Values of the path's `:names`. */
	readonly params: Readonly<Record<string, string>>;
	readonly query: URLSearchParams;
	/** The parsed JSON body; undefined without one. */
	readonly body: unknown;
	/** Address of the caller. */
	readonly peer: string;
	/** Id of the last message that a returning reader of a stream has seen. */
	readonly lastEventId: string | null;
	/** The session's cookie, where there is one. */
	readonly cookie: string | null;
	readonly isEncrypted: boolean;
	/** Aborts when the caller is gone or the server stops. */
	readonly signal: AbortSignal;
}

/** A request of somebody known. */
export interface KnownCall extends Call {
	readonly principal: Principal;
}

/** One row of the table. */
export interface Route {
	readonly method: "GET" | "POST" | "DELETE";
	/** Segments that begin with a colon are parameters. */
	readonly path: string;
	readonly access: "public" | Role;
	handle(call: Call, principal: Principal | null): Promise<Reply>;
}

/** A route for everybody with at least this role. */
export function route(
	method: Route["method"],
	path: string,
	access: Role,
	handle: (call: KnownCall) => Promise<Reply>,
): Route {
	return {
		method,
		path,
		access,
		async handle(call, principal) {
			if (principal === null) throw new RangeError(`${method} ${path}: a call of nobody came through`);
			return await handle({ ...call, principal });
		},
	};
}

/** A route that anybody who reaches the port may call. It must tell nothing about the federation. */
export function publicRoute(
	method: Route["method"],
	path: string,
	handle: (call: Call) => Promise<Reply>,
): Route {
	return { method, path, access: "public", handle };
}

/** A JSON answer. */
export function json(
	body: unknown,
	{ status = 200, headers = {} }: { status?: number; headers?: Readonly<Record<string, string>> } = {},
): Reply {
	return { kind: "json", status, body, headers };
}

/** The row for a request with the values of its parameters; undefined: there is none. */
export function findRoute(
	routes: readonly Route[],
	method: string,
	path: string,
): { readonly route: Route; readonly params: Readonly<Record<string, string>> } | undefined {
	const given = path.split("/");
	const wanted = method === "HEAD" ? "GET" : method;
	for (const candidate of routes) {
		if (candidate.method !== wanted) continue;
		const params = matchSegments(candidate.path.split("/"), given);
		if (params !== undefined) return { route: candidate, params };
	}
	return undefined;
}

function matchSegments(
	pattern: readonly string[],
	given: readonly string[],
): Record<string, string> | undefined {
	if (pattern.length !== given.length) return undefined;
	const params: Record<string, string> = {};
	for (const [index, segment] of pattern.entries()) {
		const value = given[index] ?? "";
		if (!segment.startsWith(":")) {
			if (segment !== value) return undefined;
			continue;
		}
		const decoded = decode(value);
		if (decoded === undefined || decoded === "") return undefined;
		params[segment.slice(1)] = decoded;
	}
	return params;
}

function decode(value: string): string | undefined {
	try {
		return decodeURIComponent(value);
	} catch (error) {
		if (error instanceof URIError) return undefined;
		throw error;
	}
}
