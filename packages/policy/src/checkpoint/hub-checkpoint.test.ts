// Against a hub on 127.0.0.1 that can refuse, lie and break off.
import {
	existsSync,
	lstatSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256Hex } from "@zk0/arrays/node";
import { HubError } from "@zk0/hub";
import { type FakeHub, startFakeHub } from "@zk0/hub/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { smallPreset } from "../config/small-preset.ts";
import { baseOf } from "../lora/adapter-base.ts";
import { withFreshAdapter } from "../lora/init-adapter.ts";
import { initTensors } from "../weights/init-weights.ts";
import { resolveHubCheckpoint } from "./hub-checkpoint.ts";
import { openCheckpoint } from "./open.ts";
import { contentOf, writeCheckpoint } from "./write.ts";

const root = mkdtempSync(join(tmpdir(), "zk0-hub-"));
const REPO = "hf:someone/policy";
const FOLDER = "models--someone--policy";
let hub: FakeHub;
let count = 0;
let home = "";

function filesOf(directory: string): Record<string, Uint8Array> {
	const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
	const regular = names.filter((name) => statSync(join(directory, name)).isFile());
	return Object.fromEntries(regular.map((name) => [name, readFileSync(join(directory, name))]));
}

/** What LeRobot would publish of an adapter on `base`, without our own notes. */
async function adapterFiles(baseDir: string, base: string): Promise<Record<string, Uint8Array>> {
	using full = await openCheckpoint(baseDir);
	const fresh = withFreshAdapter(full.model, { rank: 2, seed: 1 });
	const directory = join(root, "adapter");
	await writeCheckpoint(directory, {
		...contentOf(full),
		tensors: fresh.tensors,
		adapter: { structure: fresh.adapter, base: await baseOf(baseDir, { name: base, revision: null }) },
	});
	const kept = Object.entries(filesOf(directory)).filter(([name]) => !/^(zk0|tokenizer|vlm)/.test(name));
	return Object.fromEntries(kept);
}

beforeAll(async () => {
	const { config, vlm } = smallPreset();
	const tokenizerDir = new URL("../../assets/small/tokenizer", import.meta.url).pathname;
	const directory = join(root, "source");
	await writeCheckpoint(directory, { config, vlm, tensors: initTensors(config, vlm, 1), tokenizerDir });
	const policy = { ...filesOf(directory), "README.md": Buffer.from("hello") };
	const isOf = (folder: string) => (entry: [string, Uint8Array]) => entry[0].startsWith(folder);
	const rename = JSON.parse(readFileSync(join(directory, "config.json"), "utf8"));
	const bare = Object.fromEntries(
		Object.entries(policy).filter((entry) => !isOf("tokenizer/")(entry) && !isOf("vlm/")(entry)),
	);
	bare["config.json"] = Buffer.from(JSON.stringify({ ...rename, vlm_model_name: "someone/backbone" }));
	hub = await startFakeHub({
		"someone/policy": policy,
		"someone/bare": bare,
		"someone/backbone": filesOf(join(directory, "vlm")),
		"someone/adapter": await adapterFiles(directory, "someone/policy"),
		"someone/text": { "config.json": Buffer.from("{}") },
	});
});
beforeEach(() => {
	home = join(root, `home-${count++}`);
	hub.reset();
});
afterAll(async () => {
	await hub[Symbol.asyncDispose]();
	rmSync(root, { recursive: true });
});

function env(more: Record<string, string> = {}): Record<string, string> {
	return { HF_HOME: home, HF_ENDPOINT: hub.endpoint, ...more };
}

async function codeOf(reference: string, more: Record<string, string> = {}): Promise<string> {
	try {
		await resolveHubCheckpoint(reference, { env: env(more), wait: () => Promise.resolve() });
	} catch (error) {
		if (error instanceof HubError) return error.code;
		throw error;
	}
	return "no error";
}

describe("an adapter on the hub", () => {
	test("is fetched alone, and its base when it is opened", async () => {
		const { directory } = await resolveHubCheckpoint("hf:someone/adapter", { env: env() });
		expect(existsSync(join(directory, "model.safetensors"))).toBe(false);
		expect(existsSync(join(home, "hub", FOLDER))).toBe(false);
		using checkpoint = await openCheckpoint(directory, { hub: { env: env() } });
		expect(checkpoint.model.adapter?.rank).toBe(2);
		expect(checkpoint.base).toMatchObject({ name: "someone/policy", revision: null });
		expect(checkpoint.base?.directory).toContain(FOLDER);
		await expect(openCheckpoint(directory)).rejects.toMatchObject({ code: "missing-base" });
	});
});

describe("a checkpoint on the hub", () => {
	test("is stored in the layout that Python uses, and opens", async () => {
		const { directory, vlmDir } = await resolveHubCheckpoint(REPO, { env: env() });
		const repoDir = join(home, "hub", FOLDER);
		expect(directory).toBe(join(repoDir, "snapshots", hub.commit));
		expect(vlmDir).toBeUndefined();
		expect(readFileSync(join(repoDir, "refs", "main"), "utf8")).toBe(hub.commit);
		const weights = join(directory, "model.safetensors");
		expect(lstatSync(weights).isSymbolicLink()).toBe(true);
		expect(readlinkSync(weights)).toBe(`../../blobs/${sha256Hex(readFileSync(weights))}`);
		expect(existsSync(join(directory, "README.md"))).toBe(false);
		using checkpoint = await openCheckpoint(directory);
		expect(checkpoint.kind).toBe("global");
	});

	test("is downloaded once; a commit needs no request after that, nor does the offline mode", async () => {
		await resolveHubCheckpoint(REPO, { env: env() });
		hub.requests.length = 0;
		await resolveHubCheckpoint(REPO, { env: env() });
		expect(hub.requests.filter((line) => line.includes("/resolve/"))).toEqual([]);
		hub.requests.length = 0;
		const pinned = await resolveHubCheckpoint(`${REPO}@${hub.commit}`, { env: env() });
		const offline = await resolveHubCheckpoint(REPO, { env: env({ HF_HUB_OFFLINE: "1" }) });
		expect(offline.directory).toBe(pinned.directory);
		expect(hub.requests).toEqual([]);
	});

	test("gets its backbone's tokenizer where it has none", async () => {
		const found = await resolveHubCheckpoint("hf:someone/bare", { env: env() });
		const { directory, ...options } = found;
		expect(options.vlmDir).toBe(join(home, "hub", "models--someone--backbone", "snapshots", hub.commit));
		using checkpoint = await openCheckpoint(directory, options);
		expect(checkpoint.tokenizerDir).toBe(options.vlmDir);
	});

	test("is cached where the environment says", async () => {
		const cache = join(home, "elsewhere");
		const { directory } = await resolveHubCheckpoint(REPO, { env: env({ HF_HUB_CACHE: cache }) });
		expect(directory.startsWith(join(cache, FOLDER))).toBe(true);
	});
});

describe("a private repository", () => {
	test("needs the token of the environment or of the file, and says so", async () => {
		hub.requiredToken = "hf_right";
		expect(await codeOf(REPO)).toBe("hub-unauthorized");
		expect(await codeOf(REPO, { HF_TOKEN: "hf_wrong" })).toBe("hub-unauthorized");
		expect(await codeOf(REPO, { HF_TOKEN: "hf_right" })).toBe("no error");
		mkdirSync(home, { recursive: true });
		writeFileSync(join(home, "token"), "hf_right\n");
		expect(await codeOf(REPO)).toBe("no error");
		await expect(resolveHubCheckpoint(REPO, { env: env({ HF_TOKEN: "x" }) })).rejects.toThrow(/HF_TOKEN/);
	});

	test("is asked without a header when there is no token", async () => {
		await resolveHubCheckpoint(REPO, { env: env() });
		expect([...hub.tokens]).toEqual([undefined]);
	});
});

describe("a failure", () => {
	test.each([
		["no such repository", "hf:someone/nothing", "hub-not-found"],
		["no such revision", `${REPO}@v9`, "hub-not-found"],
		["a repository that is no checkpoint", "hf:someone/text", "hub-not-found"],
		["no user", "hf:policy", "bad-reference"],
		["a path outside the cache", "hf:../x", "bad-reference"],
		["a revision outside the cache", `${REPO}@../../x`, "bad-reference"],
	])("%s", async (_, reference, code) => {
		expect(await codeOf(reference)).toBe(code);
	});

	test.each([
		["wrong-hash", "hub-corrupt"],
		["cut", "hub-unreachable"],
		["broken", "hub-unreachable"],
	] as const)("%s leaves no weights behind, and the next try works", async (fault, code) => {
		hub.misbehave(/\.safetensors$/, fault);
		expect(await codeOf(REPO)).toBe(code);
		const repoDir = join(home, "hub", FOLDER);
		expect(existsSync(join(repoDir, "snapshots", hub.commit, "model.safetensors"))).toBe(false);
		const blobs = readdirSync(join(repoDir, "blobs"));
		expect(blobs.filter((name) => /^[0-9a-f]{64}$/.test(name))).toEqual([]);
		expect(await codeOf(REPO, { HF_HUB_OFFLINE: "1" })).toBe("hub-offline");
		hub.reset();
		expect(await codeOf(REPO)).toBe("no error");
	});

	test("no hub at all, and nothing in the cache when offline", async () => {
		expect(await codeOf(REPO, { HF_ENDPOINT: "http://127.0.0.1:9" })).toBe("hub-unreachable");
		expect(await codeOf(REPO, { HF_HUB_OFFLINE: "TRUE" })).toBe("hub-offline");
		expect(hub.requests).toEqual([]);
	});

	test("an interrupt keeps its reason", async () => {
		const signal = AbortSignal.abort(new DOMException("stop", "AbortError"));
		await expect(resolveHubCheckpoint(REPO, { env: env(), signal })).rejects.toMatchObject({
			name: "AbortError",
		});
	});
});
