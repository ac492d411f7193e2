// The serving side of the seam: a service's handlers as routes over bytes, so that every transport decodes, limits
// and reports errors in the same way.
import type {
	DescMessage,
	DescMethod,
	DescMethodUnary,
	DescService,
	MessageInitShape,
	MessageShape,
} from "@bufbuild/protobuf";
import { FlowerError, toFlowerError } from "./errors.ts";
import { MAX_RPC_MESSAGE_BYTES } from "./limits.ts";
import { addressOf } from "./peer-address.ts";
import { decodeProtobuf, encodeProtobuf } from "./protobuf.ts";
import { type CallHeaders, methodPath } from "./transport.ts";

/** What is known of a call before its body has been read. */
export interface CallInfo {
	/** `/package.Service/Method`. */
	readonly method: string;
	readonly headers: CallHeaders;
	/** Address of the other side, for people. */
	readonly peer: string;
}

/** What a handler gets with the request; `C` is what admission found out about the caller. */
export interface CallContext<C> extends CallInfo {
	readonly caller: C;
	/** Aborts when the caller gave up or went away. */
	readonly signal: AbortSignal;
	readonly reserve: Reserve;
}

/** A handler per method of a service. Throw FlowerError to choose the status; anything else becomes `unknown`. */
export type ServiceHandlers<S extends DescService, C> = {
	readonly [K in keyof S["method"]]: MethodHandler<S["method"][K], C>;
};

type MethodHandler<M extends DescMethod, C> =
	M extends DescMethodUnary<infer I, infer O>
		? (request: MessageShape<I>, context: CallContext<C>) => Promise<MessageInitShape<O>>
		: never;

/** Waits until there is room for so many bytes of an answer's content, which is held until the answer has gone. */
export type Reserve = (numBytes: number) => Promise<void>;

/** Handles the body of an admitted call; `reserve` is for answers of which only the handler knows that they are large. */
export type BodyHandler = (request: Uint8Array, signal: AbortSignal, reserve: Reserve) => Promise<Uint8Array>;

/** A call whose headers were accepted. */
export interface AdmittedCall {
	/** Whom the call counts against: what one account may hold and do at once is bounded. */
	readonly account: string;
	/** False for a caller that nobody vouches for yet; it gets less room and less time. */
	readonly isTrusted: boolean;
	/** Largest body that is taken. */
	readonly maxRequestBytes: number;
	/** Size that the answer can have, where it is not small. */
	readonly answerBytes: number;
	readonly handle: BodyHandler;
}

/** One method: first the headers, so that strangers are turned away before their body is held in memory. */
export interface Route {
	/** @throws FlowerError when the call is not admitted. */
	open(info: CallInfo): Promise<AdmittedCall>;
}

/** Routes by method path. */
export type Routes = ReadonlyMap<string, Route>;

/** How a service treats its callers. */
export interface ServiceOptions<C> {
	/** Decides by headers alone who may call. @throws FlowerError to refuse */
	readonly admit: (info: CallInfo) => Promise<C> | C;
	/** Checks what a request claims against its caller. @throws FlowerError to refuse */
	readonly check?: (request: object, caller: C) => void;
	/** How a call of this method is bounded; absent: trusted, MAX_RPC_MESSAGE_BYTES, counted by address. */
	readonly bounds?: (caller: C, info: CallInfo) => Omit<AdmittedCall, "handle">;
	/** Is told of every call that ends with a FlowerError. */
	readonly onRefused?: (error: FlowerError, info: CallInfo) => void;
	/** Is told of every error that is not a FlowerError: a fault of this side, whose text callers never see. */
	readonly onFault: (cause: unknown, info: CallInfo) => void;
}

type AnyHandler<C> = (request: object, context: CallContext<C>) => Promise<MessageInitShape<DescMessage>>;

/** The routes of a service. */
export function createRoutes<S extends DescService, C>(
	service: S,
	handlers: ServiceHandlers<S, C>,
	options: ServiceOptions<C>,
): Map<string, Route> {
	const routes = new Map<string, Route>();
	for (const method of service.methods) {
		if (method.methodKind !== "unary")
			throw new TypeError(`${methodPath(method)} streams; only unary is served`);
		// ServiceHandlers has one handler per local name, of exactly this method's types.
		const handler = handlers[method.localName as keyof S["method"]] as unknown as AnyHandler<C>;
		routes.set(methodPath(method), unaryRoute(method, handler, options));
	}
	return routes;
}

/** The route of a call. @throws FlowerError unimplemented when nothing serves `method`. */
export function findRoute(routes: Routes, method: string): Route {
	const route = routes.get(method);
	if (route !== undefined) return route;
	throw new FlowerError("unimplemented", `${method} is not served here.`, { method });
}

/** @throws FlowerError resource-exhausted for a body of more than `maxBytes` */
export function checkBodySize(numBytes: number, maxBytes: number, method: string): void {
	if (numBytes > maxBytes)
		throw new FlowerError("resource-exhausted", `A message of ${numBytes} bytes; at most ${maxBytes} pass.`, {
			method,
		});
}

function defaultBounds({ peer }: CallInfo): Omit<AdmittedCall, "handle"> {
	return {
		account: addressOf(peer),
		isTrusted: true,
		maxRequestBytes: MAX_RPC_MESSAGE_BYTES,
		answerBytes: 0,
	};
}

function unaryRoute<C>(method: DescMethod, handler: AnyHandler<C>, options: ServiceOptions<C>): Route {
	const guard = async <T>(info: CallInfo, work: () => Promise<T>): Promise<T> => {
		try {
			return await work();
		} catch (caught) {
			if (caught instanceof FlowerError) options.onRefused?.(caught, info);
			else options.onFault(caught, info);
			throw toFlowerError(caught, info.method);
		}
	};
	return {
		open: (info) =>
			guard(info, async () => {
				const caller = await options.admit(info);
				const bounds = options.bounds?.(caller, info) ?? defaultBounds(info);
				const handle: BodyHandler = (bytes, signal, reserve) =>
					guard(info, async () => {
						checkBodySize(bytes.length, bounds.maxRequestBytes, info.method);
						const request = decodeProtobuf(method.input, bytes);
						options.check?.(request, caller);
						const response = await handler(request, { ...info, caller, signal, reserve });
						return encodeProtobuf(method.output, response);
					});
				return { ...bounds, handle };
			}),
	};
}
