// The full model that an adapter was trained on: found by what the adapter says of it, and checked by its hash, because
// an adapter on other weights computes something without any error.
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { sha256File } from "@zk0/arrays/node";
import { type HubOptions, resolveHubCheckpoint } from "../checkpoint/hub-checkpoint.ts";
import { MODEL_FILE } from "../checkpoint/layout.ts";
import { readAdapterNote } from "../checkpoint/sidecar.ts";
import { PolicyError } from "../errors.ts";
import type { AdapterConfig } from "./adapter-config.ts";

/** A full model that an adapter belongs to. */
export interface AdapterBase {
	/** What LeRobot and peft open: a directory, or a Hugging Face repository's name. */
	readonly name: string;
	/** Commit, branch or tag of the repository; null for a directory or when none was named. */
	readonly revision: string | null;
	/** Absolute. */
	readonly directory: string;
	/** Folder with the backbone's tokenizer, where the base does not carry one. */
	readonly vlmDir?: string;
	/** SHA-256 of its model.safetensors. */
	readonly sha256: string;
}

/** Where to look for a base. */
export interface BaseOptions {
	/** The base's directory, instead of where the adapter says. */
	readonly baseDir?: string;
	/** Settings of the Hugging Face hub; without them a base that lies there is not fetched. */
	readonly hub?: HubOptions;
}

const REPOSITORY = /^[\w-][\w.-]*\/[\w-][\w.-]*$/;

/** Hashes by path, size and time of change: a run opens the same base many times. */
const hashes = new Map<string, Promise<string>>();

async function modelHash(directory: string): Promise<string> {
	const path = join(directory, MODEL_FILE);
	const { size, mtimeMs, ino } = statSync(path);
	const key = JSON.stringify([path, size, mtimeMs, ino]);
	const known = hashes.get(key) ?? sha256File(path);
	hashes.set(key, known);
	return await known;
}

/** A full model's directory as the base of a new adapter. @throws PolicyError missing-base */
export async function baseOf(
	directory: string,
	published: { readonly name: string; readonly revision: string | null } | null = null,
): Promise<AdapterBase> {
	if (!existsSync(join(directory, MODEL_FILE))) {
		throw new PolicyError("missing-base", `there is no ${MODEL_FILE} to put an adapter on`, {
			path: directory,
		});
	}
	const { name, revision } = published ?? { name: directory, revision: null };
	return { name, revision, directory, sha256: await modelHash(directory) };
}

type Place = Pick<AdapterBase, "directory" | "vlmDir">;

async function locate(
	directory: string,
	{ baseName, baseRevision }: AdapterConfig,
	options: BaseOptions,
	noted: string | null,
): Promise<Place> {
	const named = baseName === null ? [] : [resolve(directory, baseName), resolve(baseName)];
	const candidates = options.baseDir === undefined ? [noted, ...named] : [options.baseDir];
	const found = candidates.find((place) => place !== null && existsSync(join(place, MODEL_FILE)));
	if (typeof found === "string") return { directory: found };
	const mayDownload = options.baseDir === undefined && options.hub !== undefined;
	if (mayDownload && baseName !== null && REPOSITORY.test(baseName)) {
		const revision = baseRevision === null ? "" : `@${baseRevision}`;
		return await resolveHubCheckpoint(`hf:${baseName}${revision}`, options.hub);
	}
	throw new PolicyError(
		"missing-base",
		`the model that this adapter belongs to, ${options.baseDir ?? baseName ?? "which it does not name"}, is not ` +
			`there. Put it back, or join the two: zk0 model merge <base> ${directory} --out <dir>`,
		{ path: directory },
	);
}

/**
 * Finds the base of the adapter in `directory`.
 * @throws PolicyError missing-base | wrong-base; HubError
 */
export async function findBase(
	directory: string,
	config: AdapterConfig,
	options: BaseOptions,
): Promise<AdapterBase> {
	const note = await readAdapterNote(directory);
	const place = await locate(directory, config, options, note?.base.directory ?? null);
	const sha256 = await modelHash(place.directory);
	if (note !== null && note.base.sha256 !== sha256) {
		throw new PolicyError(
			"wrong-base",
			`${place.directory} is not the model that this adapter was trained on (SHA-256 ${sha256} instead of ` +
				`${note.base.sha256}); on other weights the adapter means nothing`,
			{ path: directory },
		);
	}
	return { name: config.baseName ?? place.directory, revision: config.baseRevision, ...place, sha256 };
}
