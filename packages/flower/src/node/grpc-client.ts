// A grpc-js client that is given up and made anew when its connection attempt hangs: grpc-js sets no limit to an attempt, so
// one that began while the network was cut would hang long after the network is back.
import type { Client } from "@grpc/grpc-js";
import { connectivityState } from "@grpc/grpc-js";

/** A client under watch. */
export interface WatchedClient {
	/** Runs a call with the client of the moment; while calls run, the connection attempt is watched. */
	use<T>(call: (client: Client) => Promise<T>): Promise<T>;
	close(): void;
}

/** Options of `watchClient`. */
export interface WatchOptions {
	/** An attempt that takes longer is given up. */
	readonly connectTimeoutMs: number;
	/** Is told that calls under way have no connection and will not get one. */
	readonly onGivenUp: () => void;
}

const CHECKS_PER_ATTEMPT = 4;

/** Watches what `make` makes. */
export function watchClient(make: () => Client, options: WatchOptions): WatchedClient {
	const { connectTimeoutMs, onGivenUp } = options;
	let client = make();
	let numCalls = 0;
	let timer: NodeJS.Timeout | undefined;
	/** Checks in a row that found the attempt under way; time alone would also count a busy process against it. */
	let numConnecting = 0;
	const checkMs = connectTimeoutMs / CHECKS_PER_ATTEMPT;
	const check = (): void => {
		const isConnecting = client.getChannel().getConnectivityState(false) === connectivityState.CONNECTING;
		numConnecting = isConnecting ? numConnecting + 1 : 0;
		if (numConnecting < CHECKS_PER_ATTEMPT) return;
		numConnecting = 0;
		client.close();
		client = make();
		onGivenUp();
	};
	return {
		use: async (call) => {
			numCalls++;
			timer ??= setInterval(check, checkMs);
			try {
				return await call(client);
			} finally {
				numCalls--;
				if (numCalls === 0) {
					clearInterval(timer);
					timer = undefined;
				}
			}
		},
		close: () => client.close(),
	};
}
