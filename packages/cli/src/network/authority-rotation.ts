// A successor of the server's authority: announced to the sites while the old one still signs, and put in its place when its
// time has come. Everything about it is one file, so that a crash at any point leaves either state whole.
import { rm } from "node:fs/promises";
import type { Member } from "@zk0/federation";
import { certificateFingerprint } from "@zk0/flower/node";
import { z } from "zod";
import type { ServerHome } from "./home.ts";
import { readJsonFile, writePrivateFile, writePrivateJson } from "./private-file.ts";

const rotationSchema = z.object({
	/** PEM. */
	certificate: z.string(),
	privateKey: z.string(),
	announcedAt: z.iso.datetime(),
	/** When the server changes to it. */
	changesAt: z.iso.datetime(),
	/** Sites that have said that they trust it. */
	known: z.array(z.string()),
});

/** An authority that is announced. */
export type Rotation = z.infer<typeof rotationSchema>;

/** The announced authority, if there is one. @throws CliError "state-damaged" */
export function readRotation(home: ServerHome): Promise<Rotation | undefined> {
	return readJsonFile(home.nextAuthority, rotationSchema);
}

/** Keeps what is known about the announced authority. */
export function writeRotation(home: ServerHome, rotation: Rotation): Promise<void> {
	return writePrivateJson(home.nextAuthority, rotation);
}

/** When the server changes to the announced authority. */
export function changesAtMs({ changesAt }: Pick<Rotation, "changesAt">): number {
	return Date.parse(changesAt);
}

/** Puts the announced authority in the place of the old one, if it is time. Done again after a crash in between. */
export async function changeWhenDue(home: ServerHome, nowMs: number): Promise<void> {
	const rotation = await readRotation(home);
	if (rotation === undefined || changesAtMs(rotation) > nowMs) return;
	await writePrivateFile(home.authorityKey, rotation.privateKey);
	await writePrivateFile(home.authority, rotation.certificate);
	await rm(home.nextAuthority);
}

/** What an operator is told about an announced authority. */
export interface RotationStatus {
	/** SHA-256 of the announced authority's certificate. */
	readonly authority: string;
	readonly changesAt: string;
	/** Sites that trust it already, and those that have to hear of it; both sorted. */
	readonly known: readonly string[];
	readonly missing: readonly string[];
}

/** Sites that a change of the authority concerns: Flower's nodes are told by their operators. */
export function sitesToTell(members: readonly Member[]): string[] {
	const approved = members.filter(({ state, signs }) => state === "approved" && signs);
	return approved.map(({ site }) => site);
}

/** How far the announcement is among these sites. */
export function rotationStatus(
	{ certificate, changesAt, known }: Rotation,
	sites: readonly string[],
): RotationStatus {
	const sorted = [...sites].sort();
	return {
		authority: certificateFingerprint(certificate),
		changesAt,
		known: sorted.filter((site) => known.includes(site)),
		missing: sorted.filter((site) => !known.includes(site)),
	};
}
