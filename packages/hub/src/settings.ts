// Where the Hugging Face hub, its cache and the user's token are: the environment variables of Python's
// huggingface_hub (constants.py), so that both share one cache.
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { HubError } from "./errors.ts";

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What the environment says about the hub. */
export interface HubSettings {
	/** Without a slash at the end. */
	readonly endpoint: string;
	/** Folder that holds `models--<user>--<name>`. */
	readonly cacheDir: string;
	readonly token: string | undefined;
	/** No request is made; only the cache counts. */
	readonly isOffline: boolean;
}

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
		if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
		throw new HubError("hub-unauthorized", "the token file cannot be read", { cause, path });
	}
}

/** Reads the settings. @throws HubError hub-unauthorized when the token file is there but cannot be read */
export async function hubSettings(env: Environment): Promise<HubSettings> {
	const userHome = setting(env, "HOME") ?? homedir();
	const expand = (path: string): string => path.replace(/^~(?=\/|$)/, userHome);
	const cacheHome = setting(env, "XDG_CACHE_HOME") ?? join(userHome, ".cache");
	const home = expand(setting(env, "HF_HOME") ?? join(cacheHome, "huggingface"));
	const cacheDir = setting(env, "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") ?? join(home, "hub");
	const tokenFile = expand(setting(env, "HF_TOKEN_PATH") ?? join(home, "token"));
	return {
		endpoint: (setting(env, "HF_ENDPOINT") ?? "https://huggingface.co").replace(/\/+$/, ""),
		cacheDir: expand(cacheDir),
		token: setting(env, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")?.trim() ?? (await readToken(tokenFile)),
		isOffline: isOn(env, "HF_HUB_OFFLINE") || isOn(env, "TRANSFORMERS_OFFLINE"),
	};
}
