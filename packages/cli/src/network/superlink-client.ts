// A site at a real Flower SuperLink: what its messages leave open (the model to start from, hyper-parameters) is the site's
// own choice here, kept when it joins; everything else is as at a zk0 server.
import { existsSync } from "node:fs";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { sha256File } from "@zk0/arrays/node";
import {
	type ClientApp,
	type ClientEvent,
	isSiteName,
	runSuperLinkClient,
	systemClock,
} from "@zk0/federation";
import {
	authenticated,
	Fleet,
	FlowerError,
	openSshPublicKey,
	type Traffic,
	type Transport,
} from "@zk0/flower";
import { grpcTransport, isLoopback } from "@zk0/flower/node";
import { openCheckpoint, weightsPath } from "@zk0/policy";
import { CliError } from "../cli-error.ts";
import type { RunConfig } from "../config/presets.ts";
import { resolveConfig } from "../config/resolve.ts";
import type { Host } from "../host.ts";
import { writeInitialWeights } from "../simulation/federate.ts";
import { learningOf } from "../simulation/federation-options.ts";
import { writeStartCheckpoint } from "../simulation/start-model.ts";
import type { ActivityLog } from "./client-activity.ts";
import { type ClientHome, makePrivateFolder } from "./home.ts";
import { readIfThere, writePrivateFile, writePrivateJson } from "./private-file.ts";
import { setupOf } from "./run-setup.ts";
import { type ClientContext, type ClientSettings, openData, ownIdentity } from "./site-identity.ts";
import { startFolder } from "./start-files.ts";

const CALL_TIMEOUT_MS = 15_000;

/** How a SuperLink is reached. */
export interface SuperLinkAddress {
	readonly host: string;
	readonly port: number;
	/** A file with the PEM of its authority; null: those that Node ships. */
	readonly rootCertificates: string | null;
	readonly isPlaintext: boolean;
}

/** How joining ended. */
export interface SuperLinkJoined {
	readonly site: string;
	readonly server: string;
	/** The public key, as `flwr supernode register` reads it. */
	readonly publicKeyFile: string;
	/** Why the SuperLink did not register the key; null: it did. */
	readonly refusal: string | null;
}

/** Where a client runs, and who is told what it does. */
export interface ClientWatch {
	readonly host: Host;
	readonly activity: ActivityLog;
	readonly onEvent: (event: ClientEvent) => void;
}

/** Prepares a site for a SuperLink: checks recordings and connection, makes key and start model. @throws CliError; FlowerError */
export async function joinSuperLink(
	home: ClientHome,
	address: SuperLinkAddress,
	choices: Pick<ClientSettings, "site" | "data" | "camera" | "threads" | "device"> & {
		readonly run: Parameters<typeof resolveConfig>[0];
	},
	context: ClientContext,
): Promise<SuperLinkJoined> {
	const { run, ...own } = choices;
	const { host, port, isPlaintext } = address;
	const { site } = own;
	if (!isSiteName(site))
		throw new CliError("bad-flag", `"${site}" is no site name`, { cure: "give --name <site>" });
	if (isPlaintext && !isLoopback(host))
		throw new CliError("bad-flag", `plaintext to ${host} could be read by others`, {
			cure: "give --root-certificates, or connect to a SuperLink on this machine",
		});
	const { plan } = await openData(site, own.data, context);
	await makePrivateFolder(home.dir);
	const authority = await readAuthority(address);
	const { config } = resolveConfig({ ...run, sites: 1 }, {});
	const superlink = {
		seed: config.seed,
		localSteps: config.localSteps,
		rounds: config.rounds,
		setup: await startSetup(home, config, context.host),
	};
	const identity = await ownIdentity(home);
	const publicKeyFile = `${home.key}.pub`;
	await writePrivateFile(publicKeyFile, `${openSshPublicKey(identity.publicKeyPem, site)}\n`);
	const settings: ClientSettings = {
		...own,
		data: plan.uri,
		host,
		port,
		authority,
		doctor: null,
		superlink,
		hours: null,
		accepts: null,
		clipNorm: null,
		maxMemory: null,
	};
	await using transport = connectSuperLink(settings);
	const signed = authenticated(transport, identity, () => Date.now());
	const publicKey = Buffer.from(identity.publicKeyPem);
	let refusal: string | null = null;
	try {
		await signed.unary(Fleet.method.registerNode, { publicKey }, { timeoutMs: CALL_TIMEOUT_MS });
	} catch (error) {
		if (!(error instanceof FlowerError) || error.code !== "failed-precondition") throw error;
		refusal = error.message;
	}
	await writePrivateJson(home.settings, settings);
	return { site, server: `${host}:${port}`, publicKeyFile, refusal };
}

/** Serves a SuperLink's messages until the host's signal aborts. @throws FederationError */
export async function serveSuperLink(
	home: ClientHome,
	settings: ClientSettings,
	app: ClientApp,
	{ host, activity, onEvent }: ClientWatch,
): Promise<void> {
	const { superlink } = settings;
	if (superlink === null) throw new TypeError("serveSuperLink: the site joined a zk0 server");
	const { setup } = superlink;
	const initialWeightsPath = join(home.dir, "initial.safetensors");
	using base = await openCheckpoint(startFolder(home.models, setup.start.files), { hub: host });
	await writeInitialWeights(initialWeightsPath, base.model);
	await using transport = connectSuperLink(settings, (traffic) => activity.traffic(traffic));
	await runSuperLinkClient({
		transport,
		identity: await ownIdentity(home),
		app,
		defaults: {
			seed: superlink.seed,
			numLocalSteps: superlink.localSteps,
			numRounds: superlink.rounds,
			learning: setup,
		},
		initialWeightsPath,
		dir: home.work,
		clock: systemClock(),
		signal: host.signal,
		onEvent,
		retry: { attempts: Number.POSITIVE_INFINITY },
	});
}

/** The setup of a run that only this site knows; its start model is kept by its hash. */
async function startSetup(home: ClientHome, config: RunConfig, host: Host) {
	await makePrivateFolder(home.models);
	const scratch = await mkdtemp(join(home.models, "start-"));
	try {
		const dir = join(scratch, "model");
		await writeStartCheckpoint(dir, config, host);
		const modelSha256 = await sha256File(weightsPath(dir));
		const kept = startFolder(home.models, modelSha256);
		await makePrivateFolder(dirname(kept));
		if (!existsSync(kept)) await rename(dir, kept);
		using base = await openCheckpoint(kept, { hub: host });
		const { betas, ...learning } = learningOf(config, base.config);
		const record = { learning: { ...learning, betas: [...betas] }, initial: { modelSha256 } };
		return setupOf(config, record, modelSha256);
	} finally {
		await rm(scratch, { recursive: true, force: true });
	}
}

async function readAuthority({ rootCertificates, isPlaintext }: SuperLinkAddress): Promise<string | null> {
	if (isPlaintext) return null;
	// No authority of its own: the ones that Node ships, which an empty text stands for in the settings.
	if (rootCertificates === null) return "";
	const pem = await readIfThere(rootCertificates);
	if (pem !== undefined) return pem;
	throw new CliError("bad-flag", `there is no ${rootCertificates}`, {
		cure: "give --root-certificates <file> with the PEM of the SuperLink's authority",
	});
}

function connectSuperLink(
	{ host, port, authority }: ClientSettings,
	onTraffic: (traffic: Traffic) => void = () => undefined,
): Transport {
	const tls = authority === "" ? {} : { rootCertificates: authority ?? "" };
	return grpcTransport({ host, port, security: authority === null ? "plaintext" : tls, onTraffic });
}
