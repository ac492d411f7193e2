// The seam that every RPC goes through. Implementations: memory-transport.ts (in process) and node/grpc-transport.ts.
// Unary only: no call of the Fleet and ServerAppIo services streams; large content is cut in objects instead.
import type {
	DescMessage,
	DescMethod,
	DescMethodUnary,
	MessageInitShape,
	MessageShape,
} from "@bufbuild/protobuf";

/** Metadata of a call by lower-case name; names that end in `-bin` have bytes, all others ASCII text. */
export type CallHeaders = ReadonlyMap<string, string | Uint8Array>;

/** Options of a call. */
export interface CallOptions {
	readonly headers?: CallHeaders | undefined;
	/** Gives the call up; the server is told. */
	readonly signal?: AbortSignal | undefined;
	/** Time until the call fails with `deadline-exceeded`. @default no limit */
	readonly timeoutMs?: number | undefined;
}

/** Calls the methods of a remote (or local) service. Use after disposal fails with `unavailable`. */
export interface Transport extends AsyncDisposable {
	/** @throws FlowerError with the code that the server or the connection gave. */
	unary<I extends DescMessage, O extends DescMessage>(
		method: DescMethodUnary<I, O>,
		request: MessageInitShape<I>,
		options?: CallOptions,
	): Promise<MessageShape<O>>;
}

/** Size of one finished call's messages, without framing, headers and TLS. */
export interface Traffic {
	readonly method: string;
	readonly requestBytes: number;
	readonly responseBytes: number;
}

/** `/package.Service/Method`. */
export function methodPath(method: DescMethod): string {
	return `/${method.parent.typeName}/${method.name}`;
}
