// What makes a site: its settings, its key and its recordings, whatever server it joins.
import { doctorBadgeSchema } from "@zk0/dashboard/status";
import { openDataset } from "@zk0/dataset";
import { createNodeIdentity, loadNodeIdentity, type NodeIdentity } from "@zk0/flower";
import { z } from "zod";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import type { LocatedPlan } from "../simulation/site-plans.ts";
import { locateData } from "../sources/locate-data.ts";
import type { LogForm } from "./daemon-log.ts";
import type { ClientHome } from "./home.ts";
import { readIfThere, writePrivateFile } from "./private-file.ts";
import { setupSchema } from "./run-setup.ts";

/** What a site at a SuperLink decides itself, where a zk0 server's tasks would say it. */
const superLinkSettingsSchema = z.object({
	seed: z.int(),
	localSteps: z.int(),
	rounds: z.int(),
	setup: setupSchema,
});

/** Schema of {@link ClientSettings}. */
export const clientSettingsSchema = z.object({
	host: z.string(),
	port: z.int(),
	/** PEM of the authorities that the server's certificate may be from; "system": Node's own; null: plaintext, here only. */
	authority: z.string().nullable(),
	site: z.string(),
	data: z.string(),
	/** What the doctor said of the data; null: it was not asked. */
	doctor: doctorBadgeSchema.nullable().default(null),
	camera: z.record(z.string(), z.string()).nullable(),
	threads: z.int(),
	device: z.enum(["auto", "cpu", "webgpu", "cuda"]),
	/** Hours of the day in which it works (`22:00-06:00`); null: always. */
	hours: z.string().nullable().default(null),
	/** Tasks that it takes; null: all. */
	accepts: z
		.array(z.enum(["train", "evaluate"]))
		.nullable()
		.default(null),
	/** Largest norm of what its updates change; null: the server's limit only. */
	clipNorm: z.number().positive().nullable().default(null),
	/** Most memory that the client's process may take, in bytes; null: what the machine has. */
	maxMemory: z.int().positive().nullable().default(null),
	/** What a site at a real Flower SuperLink decides itself; null: it joined a zk0 server. */
	superlink: superLinkSettingsSchema.nullable().default(null),
});

/** What a client remembers of its federation. */
export type ClientSettings = z.infer<typeof clientSettingsSchema>;

/** The surroundings. */
export interface ClientContext {
	readonly host: Host;
	readonly output: Output;
	/** @default text on a terminal, JSON elsewhere */
	readonly logForm?: LogForm | undefined;
	/** How often a client says that it is there. @default 3000; the server counts 10 s of silence as offline */
	readonly heartbeatMs?: number;
}

/** The site's recordings on this machine, checked to be a dataset. */
export async function openData(site: string, uri: string, context: ClientContext) {
	const located = await locateData(uri, context);
	const { dir, selection } = located;
	const dataset = await openDataset(dir, { selection, signal: context.host.signal });
	const plan: LocatedPlan = { name: site, uri: located.uri, source: null, located };
	return { plan, dataset, located };
}

/** The site's key, made when there is none; it never leaves this machine. */
export async function ownIdentity(home: ClientHome): Promise<NodeIdentity> {
	const kept = await readIfThere(home.key);
	if (kept !== undefined) return loadNodeIdentity(kept);
	const identity = createNodeIdentity();
	await writePrivateFile(home.key, identity.privateKeyPem);
	return identity;
}
