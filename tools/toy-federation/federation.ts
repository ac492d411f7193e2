// A toy federation of processes over TLS on loopback, under somebody's control: benchmarks, fault matrix and tests.
import { mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeSafetensorsHeader } from "@zk0/arrays";
import { createCertificateAuthority, issueServerCertificate } from "@zk0/flower/node";
import { type ChildLines, startChild } from "./child-lines.ts";
import {
	type ClientLine,
	type ClientSettings,
	clientLineSchema,
	type ServerLine,
	type ServerSettings,
	serverLineSchema,
} from "./settings.ts";

const DAY_MS = 24 * 3600 * 1000;
/** Loaded without a translator, so that their memory is the product's own. */
const PROCESS_DIR = fileURLToPath(
	new URL(import.meta.url.endsWith(".ts") ? "./dist/" : "./", import.meta.url),
);

/** A model: equal float32 tensors. */
export interface ToyModel {
	readonly numTensors: number;
	readonly elementsPerTensor: number;
}

/** Options of `openToyFederation`. */
export interface ToyFederationOptions {
	readonly sites: readonly string[];
	readonly model: ToyModel;
	readonly numRounds: number;
	/** @default number of sites */
	readonly minSites?: number;
	/** @default number of sites */
	readonly minUpdates?: number;
	/** @default false */
	readonly waitForAll?: boolean;
	/** @default 10 000, as in `zk0 server` */
	readonly offlineAfterMs?: number;
	/** Folder in which its own is made. @default the system's for temporary files */
	readonly parent?: string;
}

/** A federation's files and processes. Disposing it kills the processes and removes the files. */
export interface ToyFederation extends AsyncDisposable {
	readonly dir: string;
	readonly initialWeightsPath: string;
	/** The run's log. */
	readonly eventsPath: string;
	/** Where the server keeps weights, updates and unfinished replies. */
	readonly storeDir: string;
	/** Port of the server; set by its first start, and kept. */
	readonly port: number;
	/** Starts the server and waits until it serves. */
	startServer(changes?: Partial<ServerSettings>, wrap?: readonly string[]): Promise<ChildLines<ServerLine>>;
	startClient(
		sites: readonly string[],
		changes?: Partial<ClientSettings>,
		wrap?: readonly string[],
	): Promise<ChildLines<ClientLine>>;
}

/** Makes certificates, weights and folders; starts nothing. */
export async function openToyFederation(options: ToyFederationOptions): Promise<ToyFederation> {
	const { sites, model, numRounds, waitForAll = false, offlineAfterMs = 10_000 } = options;
	const { minSites = sites.length, minUpdates = sites.length } = options;
	const dir = await mkdtemp(join(options.parent ?? tmpdir(), "zk0-toy-federation-"));
	const now = Date.now();
	const validity = { notBefore: new Date(now - DAY_MS), notAfter: new Date(now + DAY_MS) };
	const authority = await createCertificateAuthority({ commonName: "toy federation", ...validity });
	const certificate = await issueServerCertificate(authority, { hosts: ["127.0.0.1"], ...validity });
	const initialWeightsPath = join(dir, "initial.safetensors");
	await writeWeights(initialWeightsPath, model);
	const children = new Set<AsyncDisposable>();
	let numSettings = 0;
	let port = 0;
	const start = async <L>(
		entry: string,
		settings: object,
		schema: Parameters<typeof startChild<L>>[1],
		wrap: readonly string[],
	): Promise<ChildLines<L>> => {
		const path = join(dir, `settings-${numSettings++}.json`);
		await writeFile(path, JSON.stringify(settings), { mode: 0o600 });
		const child = startChild([...wrap, process.execPath, join(PROCESS_DIR, entry), path], schema);
		children.add(child);
		return child;
	};
	const serverDir = join(dir, "server");
	return {
		dir,
		initialWeightsPath,
		eventsPath: join(serverDir, "events.jsonl"),
		storeDir: join(serverDir, "store"),
		get port() {
			return port;
		},
		async startServer(changes = {}, wrap = []) {
			await mkdir(serverDir, { recursive: true });
			const settings: ServerSettings = {
				dir: serverDir,
				port,
				certificate,
				sites: [...sites],
				secret: "toy",
				initialWeightsPath,
				numRounds,
				minSites,
				minUpdates,
				roundDeadlineMs: null,
				waitForAll,
				offlineAfterMs,
				death: null,
				...changes,
			};
			const server = await start("server-process.js", settings, serverLineSchema, wrap);
			const { line } = await server.waitFor("the server", ({ kind }) => kind === "serving");
			if (line.kind === "serving") port = line.port;
			return server;
		},
		async startClient(served, changes = {}, wrap = []) {
			const settings: ClientSettings = {
				dir: join(dir, "clients"),
				port,
				authority: authority.certificate,
				secret: "toy",
				sites: [...served],
				trainMs: 0,
				evaluateMs: 0,
				sharedUpdates: null,
				misdeed: null,
				...changes,
			};
			return await start("client-process.js", settings, clientLineSchema, wrap);
		},
		async [Symbol.asyncDispose]() {
			for (const child of children) await child[Symbol.asyncDispose]();
			await rm(dir, { recursive: true, force: true, maxRetries: 3 });
		},
	};
}

/** Writes a model's tensors: each has values of its own, so that no two chunks are equal. */
async function writeWeights(path: string, { numTensors, elementsPerTensor }: ToyModel): Promise<void> {
	const names = Array.from({ length: numTensors }, (_, index) => `tensor${String(index).padStart(3, "0")}`);
	const info = { dtype: "float32", shape: [elementsPerTensor] } as const;
	const file = await open(path, "w");
	try {
		await file.write(encodeSafetensorsHeader(new Map(names.map((name) => [name, info]))));
		const values = new Float32Array(elementsPerTensor);
		let word = 1;
		for (let tensor = 0; tensor < numTensors; tensor++) {
			for (let index = 0; index < values.length; index++) {
				// The linear congruential generator of Numerical Recipes; only that values differ matters.
				word = (Math.imul(word, 1664525) + 1013904223) | 0;
				values[index] = word / 2147483648;
			}
			await file.write(new Uint8Array(values.buffer));
		}
	} finally {
		await file.close();
	}
}
