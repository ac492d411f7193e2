// The federation's server without a network: Flower's Fleet API over members, who is online, and the runs' grids. It runs
// behind every transport, in simulations and in production. A reply is acknowledged only after its run has recorded it.
import {
	type BodyHandler,
	type CallInfo,
	type FleetCaller,
	type FleetHandlers,
	FlowerError,
	fleetRoutes,
	parseObjectId,
	parsePublicKey,
	type Route,
	type Routes,
} from "@zk0/flower";
import { z } from "zod";
import type { SiteInfo } from "./client-app.ts";
import type { Clock } from "./clock.ts";
import { isCancelled } from "./errors.ts";
import type { OnlineSite, Traffic } from "./grid.ts";
import type { Member, Members } from "./members.ts";
import { createNodeRegistry } from "./node-registry.ts";
import type { ObjectStore } from "./object-store.ts";
import { createRunGrid, type RunGrid } from "./run-grid.ts";

/** Options of `createServer`. */
export interface ServerOptions {
	readonly members: Members;
	readonly clock: Clock;
	/** A node silent for this long is offline; default 15 000. */
	readonly offlineAfterMs?: number;
	/** Is told of faults of this side, whose text callers never see. */
	readonly onFault: (cause: unknown, info: CallInfo) => void;
}

/** A running server. Disposing it ends held calls and the grids. */
export interface FederationServer extends AsyncDisposable {
	/** What transports serve. */
	readonly routes: Routes;
	/** Opens a run's access to the sites; disposing it closes the run. */
	openGrid(store: ObjectStore): RunGrid;
	/** Sites online now, sorted by name. */
	sites(): readonly OnlineSite[];
	/** When a site last showed life; undefined: it is offline. */
	lastSeenMs(site: string): number | undefined;
	/** Takes a site offline at once, as when its key is revoked. */
	disconnect(site: string, why: string): void;
}

/** What a node may tell about itself, in bytes. */
const MAX_DETAILS_BYTES = 65_536;
/** Longest time that a pull is held. */
const MAX_WAIT_MS = 60_000;
/** Tasks that a node may name as running. */
const MAX_RUNNING = 100;
const MAX_SESSION_LENGTH = 100;

/** A server with no sites yet. */
export function createServer(options: ServerOptions): FederationServer {
	return new Server(options);
}

class Server implements FederationServer {
	readonly routes: Routes;
	readonly #members: Members;
	readonly #clock: Clock;
	readonly #offlineAfterMs: number;
	readonly #registry = createNodeRegistry();
	readonly #grids = new Set<RunGrid>();
	/** Ends held calls and the watch over silent nodes. */
	readonly #closing = new AbortController();
	readonly #watch: Promise<void>;
	readonly #onFault: ServerOptions["onFault"];
	/** Held pulls, by site. */
	readonly #waiters = new Map<string, Set<() => void>>();
	#traffic: Traffic = { bytesUp: 0, bytesDown: 0 };

	constructor({ members, clock, offlineAfterMs, onFault }: ServerOptions) {
		this.#members = members;
		this.#clock = clock;
		this.#offlineAfterMs = offlineAfterMs ?? 15_000;
		this.#onFault = onFault;
		const routes = fleetRoutes(this.#handlers(), {
			onFault,
			now: () => clock.now(),
			nodeIdOf: (publicKeyPem) => {
				const member = members.find(publicKeyPem);
				return member?.state === "approved" ? member.nodeId : undefined;
			},
		});
		this.routes = new Map([...routes].map(([path, route]) => [path, this.#counted(route)]));
		this.#watch = this.#watchNodes();
	}

	sites(): readonly OnlineSite[] {
		return this.#registry.sites();
	}

	lastSeenMs(site: string): number | undefined {
		return this.#registry.lastSeenMs(site);
	}

	openGrid(store: ObjectStore): RunGrid {
		const grid = createRunGrid({
			store,
			clock: this.#clock,
			sites: () => this.#registry.sites(),
			nodeIdOf: (site) => this.#members.ofSite(site)?.nodeId,
			wake: (site) => this.#wake(site),
			traffic: () => this.#traffic,
		});
		this.#grids.add(grid);
		const dispose = grid[Symbol.asyncDispose].bind(grid);
		grid[Symbol.asyncDispose] = async () => {
			this.#grids.delete(grid);
			await dispose();
		};
		return grid;
	}

	disconnect(site: string, why: string): void {
		this.#drop(site, "offline", why);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		if (this.#closing.signal.aborted) return;
		this.#closing.abort();
		for (const site of this.#waiters.keys()) this.#wake(site);
		await this.#watch;
		for (const grid of this.#grids) await grid[Symbol.asyncDispose]();
	}

	#handlers(): FleetHandlers {
		return {
			registerNode: async ({ publicKey, site, invite }, { peer, caller }) => {
				this.#requireOpen();
				parsePublicKey(publicKey);
				const { publicKeyPem } = caller;
				return { nodeId: (await this.#members.register({ publicKeyPem, site, invite, peer })).nodeId };
			},
			activateNode: async ({ session, numSamples, details }, { caller }) => {
				const member = this.#approved(caller);
				if (session === "" || session.length > MAX_SESSION_LENGTH) throw flowerNode();
				const info: SiteInfo = { numSamples: Number(numSamples), details: parseDetails(details) };
				if (this.#registry.activate(member.site, session, info, this.#clock.now()))
					for (const grid of this.#grids) grid.tell({ kind: "joined", site: member.site, info });
				this.#wake(member.site);
				return { nodeId: member.nodeId };
			},
			deactivateNode: async (_, { caller }) => {
				this.#drop(this.#approved(caller).site, "left", "the site left");
				return {};
			},
			unregisterNode: async () => {
				throw new FlowerError("permission-denied", "Names are bound for good; the operator can revoke them.");
			},
			sendNodeHeartbeat: async ({ session, running, progress }, { caller }) => {
				const { site } = this.#touch(caller, session);
				if (progress !== undefined) this.#progress(site, progress);
				const unwanted = [...this.#grids].some(({ hasBegun }) => hasBegun)
					? running.slice(0, MAX_RUNNING).filter((id) => this.#taskOf(id) === undefined)
					: [];
				return { success: true, unwanted };
			},
			pullMessages: async ({ session, waitMs }, { caller, signal }) => {
				const { site } = this.#touch(caller, session);
				const early = await this.#nextTask(site);
				if (early === undefined && waitMs > 0) await this.#hold(site, Math.min(waitMs, MAX_WAIT_MS), signal);
				this.#touch(caller, session);
				const next = early ?? (await this.#nextTask(site));
				if (next === undefined) return {};
				return { messagesList: [next.message.wire], messageObjectTrees: [next.message.tree] };
			},
			confirmMessageReceived: async () => ({}),
			pullObject: async ({ objectId }, { caller, signal }) => {
				const { site } = this.#approved(caller);
				const id = parseObjectId(objectId);
				for (const grid of this.#grids) {
					const objectContent = await grid.readObject(site, id, signal);
					if (objectContent !== undefined) return { objectFound: true, objectAvailable: true, objectContent };
				}
				return { objectFound: false };
			},
			pushMessages: async ({ messagesList, messageObjectTrees }, { caller }) => {
				const member = this.#approved(caller);
				const [message] = messagesList;
				const [tree] = messageObjectTrees;
				if (message === undefined || tree === undefined || messagesList.length > 1)
					throw new FlowerError("invalid-argument", "One message and its object tree at a time, please.");
				for (const grid of this.#grids) {
					const answer = await grid.announce(member, message, tree);
					if (answer === undefined) continue;
					if (answer.kind === "wanted")
						return { results: { [tree.objectId]: 0 }, objectsToPush: [...answer.missing] };
					return { refusals: [{ messageId: tree.objectId, ...answer.refusal }] };
				}
				throw new FlowerError("unavailable", "no run is under way; try again");
			},
			pushObject: async ({ objectId, objectContent }, { caller, signal }) => {
				const member = this.#approved(caller);
				const id = parseObjectId(objectId);
				for (const grid of this.#grids) {
					const taken = await grid.put(member, id, objectContent, signal);
					if (taken?.kind === "not-stored") return { stored: false };
					if (taken?.refusal !== undefined)
						return { stored: true, refusal: { messageId: "", ...taken.refusal } };
					if (taken !== undefined) return { stored: true };
				}
				return { stored: false };
			},
			getRun: async () => notForNodes("GetRun"),
			getFab: async () => notForNodes("GetFab"),
		};
	}

	/** The caller as an approved member. @throws FlowerError failed-precondition | permission-denied | unauthenticated */
	#approved({ publicKeyPem }: FleetCaller): Member {
		this.#requireOpen();
		const member = this.#members.find(publicKeyPem);
		if (member === undefined) throw new FlowerError("failed-precondition", "the key is not registered");
		if (member.state === "approved") return member;
		if (member.state === "revoked")
			throw new FlowerError("unauthenticated", `the key of ${member.site} was revoked; ask the operator`);
		throw new FlowerError("permission-denied", `${member.site} waits for the operator's approval`);
	}

	#touch(caller: FleetCaller, session: string): Member {
		const member = this.#approved(caller);
		this.#registry.touch(member.site, session, this.#clock.now());
		return member;
	}

	#requireOpen(): void {
		if (this.#closing.signal.aborted) throw new FlowerError("unavailable", "the server is shutting down");
	}

	#taskOf(instructionId: string) {
		return [...this.#grids].map((grid) => grid.taskOf(instructionId)).find((task) => task !== undefined);
	}

	async #nextTask(site: string) {
		for (const grid of this.#grids) {
			const next = await grid.nextTask(site);
			if (next !== undefined) return next;
		}
		return undefined;
	}

	#progress(
		site: string,
		report: {
			messageId: string;
			step: number;
			numSteps: number;
			loss?: number | undefined;
			samplesPerSecond?: number | undefined;
		},
	): void {
		const task = this.#taskOf(report.messageId);
		if (task === undefined || task.site !== site) return;
		const { step, numSteps, loss, samplesPerSecond } = report;
		const progress = {
			step,
			numSteps,
			loss: finiteOrNull(loss),
			samplesPerSecond: finiteOrNull(samplesPerSecond),
		};
		for (const grid of this.#grids)
			if (grid.taskOf(report.messageId) !== undefined) grid.tell({ kind: "progress", task, progress });
	}

	#drop(site: string, reason: "left" | "offline", message: string): void {
		if (this.#registry.remove(site))
			for (const grid of this.#grids) grid.tell({ kind: "left", site, reason, message });
		this.#wake(site);
	}

	#wake(site: string): void {
		for (const wake of this.#waiters.get(site) ?? []) wake();
	}

	/** Waits until the site has a task, `waitMs` pass, or the call or the server ends. */
	async #hold(site: string, waitMs: number, signal: AbortSignal): Promise<void> {
		if (this.#closing.signal.aborted) return;
		const done = new AbortController();
		const wake = (): void => done.abort();
		const waiters = this.#waiters.get(site) ?? new Set();
		this.#waiters.set(site, waiters.add(wake));
		signal.addEventListener("abort", wake, { once: true });
		try {
			await this.#clock.sleep(waitMs, { signal: done.signal });
		} catch (error) {
			if (!isCancelled(error)) throw error;
		} finally {
			signal.removeEventListener("abort", wake);
			waiters.delete(wake);
		}
	}

	#counted(route: Route): Route {
		return {
			open: async (info) => {
				const handle: BodyHandler = await route.open(info);
				return async (request, signal) => {
					const answer = await handle(request, signal);
					const { bytesUp, bytesDown } = this.#traffic;
					this.#traffic = { bytesUp: bytesUp + request.length, bytesDown: bytesDown + answer.length };
					return answer;
				};
			},
		};
	}

	async #watchNodes(): Promise<void> {
		const { signal } = this.#closing;
		const intervalMs = this.#offlineAfterMs / 5;
		try {
			for (;;) {
				const startMs = this.#clock.now();
				await this.#clock.sleep(intervalMs, { signal });
				// This process was suspended or busy, so nobody could reach it: nobody is to blame for silence.
				if (this.#clock.now() - startMs > 2 * intervalMs) this.#registry.forgive(this.#clock.now());
				const limitMs = this.#clock.now() - this.#offlineAfterMs;
				const why = `no sign of life for ${this.#offlineAfterMs} ms`;
				for (const site of this.#registry.silentSince(limitMs)) this.#drop(site, "offline", why);
			}
		} catch (error) {
			if (!isCancelled(error)) this.#onFault(error, { method: "watch", headers: new Map(), peer: "" });
		}
	}
}

const detailsSchema = z.record(z.string(), z.json());

function parseDetails(text: string): SiteInfo["details"] {
	if (text.length > MAX_DETAILS_BYTES)
		throw new FlowerError("resource-exhausted", `details of more than ${MAX_DETAILS_BYTES} bytes`);
	try {
		return detailsSchema.parse(JSON.parse(text));
	} catch (cause) {
		throw new FlowerError("invalid-argument", "a node's details are no JSON object", { cause });
	}
}

function finiteOrNull(value: number | undefined): number | null {
	return value !== undefined && Number.isFinite(value) ? value : null;
}

function flowerNode(): FlowerError {
	return new FlowerError(
		"failed-precondition",
		"This server takes zk0 nodes only: start `zk0 client` instead of a Flower SuperNode.",
	);
}

async function notForNodes(method: string): Promise<never> {
	throw new FlowerError("unimplemented", `${method}: zk0 nodes bring their own app and need no app bundle.`);
}
