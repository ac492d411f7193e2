// The federation's server without a network: Flower's Fleet API over members, who is online, and the runs' grids. It runs
// behind every transport, in simulations and in production. This file puts the parts together.
import { type CallInfo, claimedKey, fleetRoutes, type Routes } from "@zk0/flower";
import { type Offence, offenceOf } from "./audit.ts";
import { type CallLimits, createCallGuard } from "./call-guard.ts";
import type { Clock } from "./clock.ts";
import { fleetHandlers } from "./fleet-handlers.ts";
import type { RunApp } from "./flower-nodes.ts";
import type { OnlineSite } from "./grid.ts";
import { createHeldPulls } from "./held-pulls.ts";
import type { Members } from "./members.ts";
import { type Arrival, createNodeRegistry } from "./node-registry.ts";
import { watchNodes } from "./node-watch.ts";
import type { ObjectStore } from "./object-store.ts";
import { createOpenGrids } from "./open-grids.ts";
import { createRunGrid, type RunGrid } from "./run-grid.ts";
import { pauseOf } from "./site-limits.ts";
import { createStanding, revokedError } from "./standing.ts";
import { createTrafficMeter } from "./traffic-meter.ts";

/** Options of `createServer`. */
export interface ServerOptions {
	readonly members: Members;
	readonly clock: Clock;
	/** A node silent for this long is offline; default 15 000. */
	readonly offlineAfterMs?: number;
	/** Lets Flower's own nodes in, whose replies are not signed; default false. */
	readonly allowFlowerNodes?: boolean;
	/**
	 * Whether the run with this number in messages (`runNumber`), which is not open, may still begin or go on in this
	 * process. A result for one that may not is refused for good; default: any may.
	 */
	readonly mayBegin?: (run: bigint) => boolean;
	/** What a site that trusts the set of authorities with this name should trust instead (PEM); empty: nothing else. */
	readonly announceTrust?: (site: string, trusted: string) => readonly string[];
	/**
	 * From its abort on sites are told to come again: what a run that ends with this process does not wait for any more, the next
	 * process does. Default: until the server is disposed.
	 */
	readonly signal?: AbortSignal;
	/** How often callers may call; absent: as often as they like (simulations). */
	readonly limits?: CallLimits;
	/** Is told of everybody who is turned away, and why. */
	readonly onOffence?: (offence: Offence) => void;
	/** Is told of faults of this side, whose text callers never see. */
	readonly onFault: (cause: unknown, info: CallInfo) => void;
}

/** A running server. Disposing it ends held calls and the grids. */
export interface FederationServer extends AsyncDisposable {
	/** What transports serve. */
	readonly routes: Routes;
	/** Opens a run's access to the sites; disposing it closes the run. Flower's nodes take part when it has an `app`. */
	openGrid(store: ObjectStore, app?: RunApp): RunGrid;
	/** Sites online now, sorted by name, with those that pause. */
	sites(): readonly OnlineSite[];
	/** When a site last showed life; undefined: it is offline. */
	lastSeenMs(site: string): number | undefined;
	/** Takes a site offline at once, as when its key is revoked. */
	disconnect(site: string, why: string): void;
}

/** A server with no sites yet. */
export function createServer(options: ServerOptions): FederationServer {
	const {
		members,
		clock,
		offlineAfterMs = 15_000,
		allowFlowerNodes: allowsFlowerNodes = false,
		mayBegin = () => true,
		announceTrust = () => [],
		limits,
		onOffence = ignore,
		onFault,
	} = options;
	/** Ends held calls and the watch over silent nodes. */
	const closing = new AbortController();
	const signal = AbortSignal.any([closing.signal, ...(options.signal === undefined ? [] : [options.signal])]);
	const registry = createNodeRegistry();
	const grids = createOpenGrids(mayBegin);
	const activity = new Map<string, number>();
	const pulls = createHeldPulls(clock, signal);
	const meter = createTrafficMeter();
	const publicKeyOf = (site: string): string | null => members.ofSite(site)?.publicKeyPem ?? null;
	/** Online, and ready for tasks. */
	const isThere = (site: string): boolean => {
		const info = registry.infoOf(site);
		return info !== undefined && pauseOf(info) === null;
	};
	const arrive = (site: string, arrival: Arrival): void => {
		const { info } = arrival;
		const wasThere = isThere(site);
		registry.activate(site, arrival, clock.now());
		const paused = pauseOf(info);
		if (paused === null && !wasThere)
			grids.tell({ kind: "joined", site, info, publicKey: publicKeyOf(site) });
		if (paused !== null && wasThere) grids.tell({ kind: "left", site, reason: "paused", message: paused });
		pulls.wake(site);
	};
	const standing = createStanding({ members, registry, clock, closing: signal, allowsFlowerNodes, arrive });
	const drop = (site: string, reason: "left" | "offline", message: string): void => {
		const wasThere = isThere(site);
		registry.remove(site);
		if (wasThere) grids.tell({ kind: "left", site, reason, message });
		pulls.wake(site);
	};
	const guard = limits === undefined ? undefined : createCallGuard(limits, members, clock);
	const handlers = fleetHandlers({
		members,
		grids,
		pulls,
		standing,
		allowsFlowerNodes,
		announceTrust,
		onOffence,
		arrive,
		drop,
	});
	const routes = fleetRoutes(handlers, {
		onFault,
		onRefused: (error, info) => {
			const offence = offenceOf(error, info, members);
			if (offence === undefined) return;
			guard?.failed(info.peer, claimedKey(info.headers), error);
			onOffence(offence);
		},
		...(guard === undefined ? {} : { guard }),
		now: () => clock.now(),
		nodeIdOf: (publicKeyPem) => {
			const member = members.find(publicKeyPem);
			if (member?.state === "revoked") throw revokedError(member.site);
			return member?.state === "approved" ? member.nodeId : undefined;
		},
	});
	const watching = watchNodes({
		registry,
		clock,
		offlineAfterMs,
		signal,
		drop: (site, why) => drop(site, "offline", why),
	}).catch((error: unknown) => onFault(error, { method: "watch", headers: new Map(), peer: "" }));
	return {
		routes: new Map([...routes].map(([path, route]) => [path, meter.counted(route)])),
		sites: () => registry.sites(),
		lastSeenMs: (site) => registry.lastSeenMs(site),
		openGrid: (store, app) =>
			grids.add(
				createRunGrid({
					store,
					clock,
					sites: () => registry.sites().filter(({ site }) => isThere(site)),
					publicKeyOf,
					nodeIdOf: (site) => members.ofSite(site)?.nodeId,
					wake: (site) => pulls.wake(site),
					traffic: () => meter.read(),
					app,
					signs: (site) => members.ofSite(site)?.signs !== false,
					activity,
				}),
			),
		disconnect: (site, why) => drop(site, "offline", why),
		async [Symbol.asyncDispose]() {
			if (closing.signal.aborted) return;
			closing.abort();
			await watching;
			await grids[Symbol.asyncDispose]();
		},
	};
}

function ignore(): void {}
