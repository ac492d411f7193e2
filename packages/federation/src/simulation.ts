// A whole federation in one process: the production server and one production client per site, joined by memory transports.
// Sites wait for a permit before they work; whichever finishes first, the result has the same bytes.
import { join } from "node:path";
import { runClient } from "./client.ts";
import type { ClientApp } from "./client-app.ts";
import { type Clock, systemClock } from "./clock.ts";
import { toError } from "./errors.ts";
import type { RoundEvent } from "./events.ts";
import type { FileSystem } from "./file-system.ts";
import { type Fault, memoryTransport } from "./memory-transport.ts";
import { openObjectStore } from "./object-store.ts";
import type { StreamMethod, UnaryMethod } from "./protocol.ts";
import { rounds } from "./rounds.ts";
import type { RoundsOptions } from "./rounds-options.ts";
import { createSemaphore, limitWork } from "./semaphore.ts";
import { createServer, type FederationServer } from "./server.ts";
import type { Traffic, Transport } from "./transport.ts";

/** A simulated site. */
export interface SimulatedSite {
	readonly site: string;
	readonly app: ClientApp;
}

/** Options of `simulate`: those of `rounds`, without the parts a simulation makes itself. */
export interface SimulationOptions extends Omit<RoundsOptions, "grid" | "store" | "clock"> {
	readonly sites: readonly SimulatedSite[];
	/** Directory for the server's and the clients' files; keep it to resume. */
	readonly dir: string;
	/** Sites that may work at once; default 1. */
	readonly concurrency?: number;
	/** Default: the machine's clock. */
	readonly clock?: Clock;
	/** Where the server keeps its objects; default: the machine's file system. */
	readonly fileSystem?: FileSystem;
	/** Faults on the way between a site and the server; default: none. */
	readonly faults?: (call: {
		readonly site: string;
		readonly method: UnaryMethod | StreamMethod;
		readonly index: number;
	}) => Fault | null;
}

/**
 * Runs or resumes a simulated federation and yields its events. By default it waits for all sites at the start, for at
 * most 60 s, and goes on with those that are left when a site is gone.
 * @throws FederationError as `rounds`; RangeError on repeated site names.
 */
export async function* simulate(options: SimulationOptions): AsyncGenerator<RoundEvent, void> {
	const names = options.sites.map(({ site }) => site);
	if (new Set(names).size !== names.length)
		throw new RangeError(`simulate: site names repeat: ${names.join(", ")}`);
	const clock = options.clock ?? systemClock();
	const store = await openObjectStore(join(options.dir, "server"), options.fileSystem);
	const transports = new Map<string, Transport>();
	const traffic = (): Traffic => sumTraffic([...transports.values()].map((transport) => transport.traffic()));
	await using server = createServer({ store, clock, traffic });
	for (const { site } of options.sites) {
		const faults = options.faults;
		transports.set(
			site,
			memoryTransport(server.calls, {
				clock,
				...(faults === undefined ? {} : { faults: (call) => faults({ site, ...call }) }),
			}),
		);
	}
	const stopClients = startClients(options, server, transports, clock);
	try {
		yield* rounds({
			minSitesToStart: names.length,
			joinTimeoutMs: 60_000,
			...options,
			grid: server.grid,
			store,
			clock,
		});
	} finally {
		await stopClients();
	}
}

/** Runs a client per site until the returned function stops them; one that gives up takes its site offline. */
function startClients(
	options: SimulationOptions,
	server: FederationServer,
	transports: ReadonlyMap<string, Transport>,
	clock: Clock,
): () => Promise<void> {
	const stopping = new AbortController();
	const semaphore = createSemaphore(options.concurrency ?? 1);
	const run = async ({ site, app }: SimulatedSite, transport: Transport): Promise<void> => {
		const dir = join(options.dir, "clients", site);
		try {
			const limited = limitWork(app, semaphore);
			await runClient({ transport, app: limited, site, dir, clock, signal: stopping.signal });
		} catch (error) {
			server.disconnect(site, toError(error).message);
		}
	};
	const running = options.sites.flatMap((simulated) => {
		const transport = transports.get(simulated.site);
		return transport === undefined ? [] : [run(simulated, transport)];
	});
	return async () => {
		stopping.abort();
		await Promise.all(running);
		for (const transport of transports.values()) await transport[Symbol.asyncDispose]();
	};
}

function sumTraffic(parts: readonly Traffic[]): Traffic {
	return {
		bytesUp: parts.reduce((total, { bytesUp }) => total + bytesUp, 0),
		bytesDown: parts.reduce((total, { bytesDown }) => total + bytesDown, 0),
	};
}
