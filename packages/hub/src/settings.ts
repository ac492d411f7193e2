// Where the Hugging Face hub, its caches and the user's token are: the environment variables of Python's
// huggingface_hub (constants.py) and of LeRobot (utils/constants.py), so that all share what is downloaded.

import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { codeOf } from "@zk0/arrays";
import { HubError } from "./errors.ts";

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Kinds of repositories. */
export type RepoKind = "model" | "dataset";

/** What the environment says about the hub. */
export interface HubSettings {
	/** Without a slash at the end. */
	readonly endpoint: string;
	/**
	 * Folders that may hold `models--<user>--<name>` or `datasets--<user>--<name>`. The first is written to, unless the
	 * repository lies in a later one already. Datasets go where LeRobot puts them, `<HF_LEROBOT_HOME>/hub`.
	 */
	readonly cacheDirs: Readonly<Record<RepoKind, readonly [string, ...string[]]>>;
	readonly token: string | undefined;
	/** No request is made; only the cache counts. */
	readonly isOffline: boolean;
	/** Milliseconds without an answer, or without a byte of it, after which a request is tried again. */
	readonly timeoutMs: number;
}

const DEFAULT_TIMEOUT_S = 10;

function setting(env: Environment, ...names: readonly string[]): string | undefined {
	return names.map((name) => env[name]).find((value) => value !== undefined && value !== "");
}

function isOn(env: Environment, name: string): boolean {
	return ["1", "ON", "YES", "TRUE"].includes((env[name] ?? "").toUpperCase());
}

async function readToken(path: string): Promise<string | undefined> {
	try {
		const text = (await readFile(path, "utf8")).trim();
		return text === "" ? undefined : text;
	} catch (cause) {
		if (codeOf(cause) === "ENOENT") return undefined;
		throw new HubError("hub-unauthorized", "the token file cannot be read", { cause, path });
	}
}

function timeoutOf(env: Environment): number {
	const text = setting(env, "HF_HUB_DOWNLOAD_TIMEOUT");
	const seconds = text === undefined ? DEFAULT_TIMEOUT_S : Number(text);
	if (seconds > 0 && seconds <= 3600) return seconds * 1000;
	throw new HubError("bad-hub-setting", `HF_HUB_DOWNLOAD_TIMEOUT is "${text}", not seconds up to 3600`);
}

function endpointOf(env: Environment): string {
	const text = setting(env, "HF_ENDPOINT") ?? "https://huggingface.co";
	if (/^https?:$/.test(URL.canParse(text) ? new URL(text).protocol : "")) return text.replace(/\/+$/, "");
	throw new HubError("bad-hub-setting", `HF_ENDPOINT is "${text}", not an address that begins with https://`);
}

/**
 * Reads the settings.
 * @throws HubError "hub-unauthorized" when the token file is there but cannot be read, "bad-hub-setting"
 */
export async function hubSettings(env: Environment): Promise<HubSettings> {
	const userHome = setting(env, "HOME") ?? homedir();
	const expand = (path: string): string => path.replace(/^~(?=\/|$)/, userHome);
	const cacheHome = setting(env, "XDG_CACHE_HOME") ?? join(userHome, ".cache");
	const home = expand(setting(env, "HF_HOME") ?? join(cacheHome, "huggingface"));
	const givenCache = setting(env, "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE");
	const hubCache = expand(givenCache ?? join(home, "hub"));
	const givenLerobot = setting(env, "HF_LEROBOT_HOME");
	const lerobotCache = join(expand(givenLerobot ?? join(home, "lerobot")), "hub");
	// Who names only the hub's cache wants everything there.
	const hubFirst = givenCache !== undefined && givenLerobot === undefined;
	const tokenFile = expand(setting(env, "HF_TOKEN_PATH") ?? join(home, "token"));
	return {
		endpoint: endpointOf(env),
		cacheDirs: {
			model: [hubCache],
			dataset: hubFirst ? [hubCache, lerobotCache] : [lerobotCache, hubCache],
		},
		token: setting(env, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")?.trim() ?? (await readToken(tokenFile)),
		isOffline: isOn(env, "HF_HUB_OFFLINE") || isOn(env, "TRANSFORMERS_OFFLINE"),
		timeoutMs: timeoutOf(env),
	};
}
