// One toy federation on which a fault is tried: a server and one process per site, each behind a network of its own.
import { join } from "node:path";
import { type ChildLines } from "../toy-federation/child-lines.ts";
import { openToyFederation, type ToyFederation, type ToyModel } from "../toy-federation/federation.ts";
import type { ClientLine, ClientSettings, ServerLine, ServerSettings } from "../toy-federation/settings.ts";
import { openProxy, type TcpProxy } from "../toy-federation/tcp-proxy.ts";
import { mountSmallDisk, type SmallDisk, unmount } from "./small-disk.ts";

/** The sites of every stage. */
export const SITES: readonly string[] = ["ann", "bob", "cyd"];
/** Rounds of every run. */
export const NUM_ROUNDS = 2;
/** A few kilobytes: for faults at a moment. */
export const SMALL: ToyModel = { numTensors: 3, elementsPerTensor: 300 };
/** 17 MB in six chunks: for faults in the middle of a transfer. */
export const LARGE: ToyModel = { numTensors: 3, elementsPerTensor: 1_400_000 };
/** 31 MB: three updates of it are summed in worker threads. */
export const THREADED: ToyModel = { numTensors: 3, elementsPerTensor: 2_600_000 };

/** What a stage is set up with. */
export interface StageOptions {
	readonly model?: ToyModel;
	/** Updates a round needs. @default all */
	readonly minUpdates?: number;
	/** Of the first server process. */
	readonly server?: Partial<ServerSettings>;
	/** Of the first process of each site. */
	readonly clients?: Readonly<Record<string, Partial<ClientSettings>>>;
	/** Pause in every training, so that there is a time to disturb it. @default 0 */
	readonly trainMs?: number;
	/** A disk of its own for a folder of the federation. */
	readonly smallDisk?: SmallDisk & { readonly at: string };
}

/** A federation that runs. Disposing it ends everything. */
export interface Stage extends AsyncDisposable {
	readonly federation: ToyFederation;
	/** Where the small disk is mounted. */
	readonly smallDisk: string | null;
	readonly server: ChildLines<ServerLine>;
	/** Starts another server process; the one before must have ended. */
	restartServer(changes?: Partial<ServerSettings>): Promise<void>;
	client(site: string): ChildLines<ClientLine>;
	/** Starts another process for a site; the one before must have ended. */
	restartClient(site: string, changes?: Partial<ClientSettings>): Promise<void>;
	network(site: string): TcpProxy;
	readonly networks: readonly TcpProxy[];
	/** When the server has recorded such an event, in this or an earlier process. */
	recorded(fits: (event: RecordedEvent) => boolean, what: string): Promise<number>;
	/** When a site says so, after what it has said already when `fresh`. */
	heard(site: string, kind: ClientLine["kind"], text?: string, fresh?: boolean): Promise<number>;
	/** Lines of every client process so far. */
	readonly clientLines: readonly ClientLine[];
}

/** An event as the server prints it. */
export type RecordedEvent = Extract<ServerLine, { kind: "event" }>["event"];

/** Longest wait for anything; a machine that is busy with other things may be slow. */
const PATIENCE_MS = 300_000;

/** Starts a federation. */
export async function openStage(options: StageOptions = {}): Promise<Stage> {
	const { model = SMALL, minUpdates = SITES.length, clients = {}, trainMs = 0 } = options;
	const federation = await openToyFederation({
		sites: SITES,
		model,
		numRounds: NUM_ROUNDS,
		minUpdates,
	});
	const smallDisk = options.smallDisk === undefined ? null : join(federation.dir, options.smallDisk.at);
	if (options.smallDisk !== undefined && smallDisk !== null) mountSmallDisk(smallDisk, options.smallDisk);
	let server = await federation.startServer(options.server);
	const networks = new Map<string, TcpProxy>();
	const running = new Map<string, ChildLines<ClientLine>>();
	const earlier: ClientLine[] = [];
	const startClient = async (site: string, changes: Partial<ClientSettings> = {}): Promise<void> => {
		const network = networks.get(site) ?? (await openProxy(federation.port));
		networks.set(site, network);
		const before = running.get(site);
		if (before !== undefined) earlier.push(...before.lines);
		running.set(site, await federation.startClient([site], { port: network.port, trainMs, ...changes }));
	};
	await Promise.all(SITES.map((site) => startClient(site, clients[site])));
	const clientOf = (site: string): ChildLines<ClientLine> => {
		const client = running.get(site);
		if (client === undefined) throw new RangeError(`no client ${site}`);
		return client;
	};
	return {
		federation,
		smallDisk,
		get server() {
			return server;
		},
		async restartServer(changes) {
			server = await federation.startServer(changes);
		},
		client: clientOf,
		restartClient: startClient,
		network(site) {
			const network = networks.get(site);
			if (network === undefined) throw new RangeError(`no network of ${site}`);
			return network;
		},
		get networks() {
			return [...networks.values()];
		},
		recorded: async (fits, what) => {
			const seen = await server.waitFor(what, (line) => line.kind === "event" && fits(line.event), {
				timeoutMs: PATIENCE_MS,
			});
			return seen.atMs;
		},
		heard: async (site, kind, text = "", fresh = false) => {
			const client = clientOf(site);
			const fits = (line: ClientLine): boolean => line.kind === kind && line.text.includes(text);
			const since = fresh ? client.lines.length : 0;
			const seen = await client.waitFor(`${site}: ${kind} ${text}`, fits, { since, timeoutMs: PATIENCE_MS });
			return seen.atMs;
		},
		get clientLines() {
			return [...earlier, ...[...running.values()].flatMap(({ lines }) => lines)];
		},
		async [Symbol.asyncDispose]() {
			if (smallDisk !== null) unmount(smallDisk);
			await federation[Symbol.asyncDispose]();
			for (const network of networks.values()) await network[Symbol.asyncDispose]();
		},
	};
}

/** The last weights of the run, when its server has ended well. @throws RangeError with the server's complaints */
export async function finalWeights({ server }: Stage): Promise<string> {
	const { line } = await server.waitFor("the end of the run", ({ kind }) => kind === "finished", {
		timeoutMs: PATIENCE_MS,
	});
	if (line.kind !== "finished" || line.sha256 === null)
		throw new RangeError(`the run ended without weights: ${server.complaints}`);
	return line.sha256;
}
