// A whole federation in one process: the production server and one production client per site, joined by memory transports.
// Sites wait for a permit before they work; whichever finishes first, the result has the same bytes.
import { join } from "node:path";
import { createNodeIdentity, memoryTransport, type Transport } from "@zk0/flower";
import { type ClientEvent, runClient } from "./client.ts";
import type { ClientApp } from "./client-app.ts";
import { type Clock, systemClock } from "./clock.ts";
import { toError } from "./errors.ts";
import type { RoundEvent } from "./events.ts";
import type { FileSystem } from "./file-system.ts";
import { openMembers } from "./members.ts";
import { openObjectStore } from "./object-store.ts";
import { rounds } from "./rounds.ts";
import type { RoundsOptions } from "./rounds-options.ts";
import { createSemaphore, limitWork } from "./semaphore.ts";
import { createServer, type FederationServer } from "./server.ts";
import type { SiteLimits } from "./site-limits.ts";

/** A simulated site. */
export interface SimulatedSite {
	readonly site: string;
	readonly app: ClientApp;
	/** Limits of its own; default none. */
	readonly limits?: SiteLimits;
	/** Is told what its client does; default: nobody. */
	readonly onEvent?: (event: ClientEvent) => void;
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
	/** Changes a site's way to the server, to put faults on it; default: none. */
	readonly wrapTransport?: (site: string, transport: Transport) => Transport;
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
	const faults = new AbortController();
	await using server = createServer({
		members: openMembers(),
		clock,
		onFault: (cause) => faults.abort(cause),
	});
	await using grid = server.openGrid(store);
	const stopClients = startClients(options, server, clock);
	try {
		yield* rounds({
			minSitesToStart: names.length,
			joinTimeoutMs: 60_000,
			...options,
			grid,
			store,
			clock,
		});
		// A defect of the server's own: the clients only saw that a call failed.
		faults.signal.throwIfAborted();
	} finally {
		await stopClients();
	}
}

/** Runs a client per site until the returned function stops them; one that gives up takes its site offline. */
function startClients(
	options: SimulationOptions,
	server: FederationServer,
	clock: Clock,
): () => Promise<void> {
	const { wrapTransport = (_site, transport) => transport } = options;
	const stopping = new AbortController();
	const semaphore = createSemaphore(options.concurrency ?? 1);
	const run = async ({ site, app, limits, onEvent }: SimulatedSite): Promise<void> => {
		await using transport = wrapTransport(site, memoryTransport(server.routes, { peer: site }));
		const identity = createNodeIdentity("prime256v1");
		const dir = join(options.dir, "clients", site);
		const { signal } = stopping;
		try {
			await runClient({
				transport,
				identity,
				app: limitWork(app, semaphore),
				site,
				dir,
				clock,
				signal,
				...(limits && { limits }),
				...(onEvent && { onEvent }),
			});
		} catch (error) {
			server.disconnect(site, toError(error).message);
		}
	};
	const running = options.sites.map(run);
	return async () => {
		stopping.abort();
		await Promise.all(running);
	};
}
