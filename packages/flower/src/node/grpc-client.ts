// A grpc-js client with connection attempts that overlap: grpc-js sets no limit to an attempt, so one that began while the
// network was cut would hang long after the network is back. While an attempt hangs a new one is begun beside it; the
// first that succeeds is used. A slow attempt is not given up for that, or an overloaded server would never be reached.
import type { Client } from "@grpc/grpc-js";
import { connectivityState } from "@grpc/grpc-js";

/** A client under watch. */
export interface WatchedClient {
	/** Runs a call with the client of the moment; while calls run, the connection attempts are watched. */
	use<T>(call: (client: Client) => Promise<T>): Promise<T>;
	close(): void;
}

/** Options of `watchClient`. */
export interface WatchOptions {
	/** After this time a new attempt is begun. */
	readonly connectTimeoutMs: number;
	/** Is told that calls under way have no connection yet and should be made again. */
	readonly onSlow: () => void;
}

const CHECKS_PER_ATTEMPT = 4;
/** Attempts at once; the oldest is given up for a new one. */
const MAX_ATTEMPTS = 6;

/** Watches what `make` makes. */
export function watchClient(make: () => Client, options: WatchOptions): WatchedClient {
	const { connectTimeoutMs, onSlow } = options;
	/** The newest last. */
	let clients: readonly Client[] = [make()];
	let numCalls = 0;
	let timer: NodeJS.Timeout | undefined;
	/** Checks in a row that found the newest attempt under way; a busy process checks less often. */
	let numConnecting = 0;
	const stateOf = (client: Client): connectivityState => client.getChannel().getConnectivityState(false);
	const keep = (kept: readonly Client[]): void => {
		for (const client of clients) if (!kept.includes(client)) client.close();
		clients = kept;
	};
	/** The first that is connected, and from then on the only one. */
	const settle = (): Client | undefined => {
		const ready = clients.find((client) => stateOf(client) === connectivityState.READY);
		if (ready !== undefined && clients.length > 1) keep([ready]);
		return ready;
	};
	const check = (): void => {
		settle();
		const newest = clients.at(-1);
		const isConnecting = newest !== undefined && stateOf(newest) === connectivityState.CONNECTING;
		numConnecting = isConnecting ? numConnecting + 1 : 0;
		if (numConnecting < CHECKS_PER_ATTEMPT) return;
		numConnecting = 0;
		const fresh = make();
		clients = [...clients, fresh];
		keep(clients.slice(-MAX_ATTEMPTS));
		// Begins to connect; calls that are made again find whichever attempt succeeds first.
		fresh.getChannel().getConnectivityState(true);
		onSlow();
	};
	const current = (): Client => {
		const newest = settle() ?? clients.at(-1);
		if (newest === undefined) throw new TypeError("watchClient: no client");
		return newest;
	};
	return {
		use: async (call) => {
			numCalls++;
			timer ??= setInterval(check, connectTimeoutMs / CHECKS_PER_ATTEMPT);
			try {
				return await call(current());
			} finally {
				numCalls--;
				if (numCalls === 0) {
					clearInterval(timer);
					timer = undefined;
				}
			}
		},
		close: () => keep([]),
	};
}
