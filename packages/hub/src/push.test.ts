// Uploads to a hub on 127.0.0.1, and what comes back from it.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HubError } from "./errors.ts";
import { type Push, pushFiles } from "./push.ts";
import { hubSettings } from "./settings.ts";
import { openSnapshot } from "./snapshot.ts";
import { type FakeHub, startFakeHub } from "./testing/fake-hub.ts";

const ID = "datasets/someone/new";
const folder = mkdtempSync(join(tmpdir(), "zk0-push-"));
const video = Uint8Array.from({ length: 50_000 }, (_, index) => index * 31);
let hub: FakeHub;

beforeAll(async () => {
	writeFileSync(join(folder, "v.mp4"), video);
	writeFileSync(join(folder, "info.json"), "{}");
	hub = await startFakeHub({});
});
beforeEach(() => {
	hub.reset();
	hub.requiredToken = "hf_write";
	hub.repositories.clear();
	hub.objects.clear();
});
afterAll(async () => {
	await hub[Symbol.asyncDispose]();
	rmSync(folder, { recursive: true });
});

function push(overrides: Partial<Push> = {}): Push {
	return {
		kind: "dataset",
		repo: "someone/new",
		files: [
			{ path: "meta/info.json", from: { file: join(folder, "info.json") } },
			{ path: "videos/top/v.mp4", from: { file: join(folder, "v.mp4") } },
			{ path: "README.md", from: { text: "# new\n" } },
		],
		title: "Upload",
		isPrivate: true,
		tag: "v3.0",
		...overrides,
	};
}

async function context(env: Record<string, string> = {}) {
	const given = { HF_HOME: join(folder, "home"), HF_ENDPOINT: hub.endpoint, HF_TOKEN: "hf_write", ...env };
	return { settings: await hubSettings(given), wait: () => Promise.resolve() };
}

describe("pushFiles", () => {
	test("makes a private repository with the files and the tag, which download as they were", async () => {
		const states = new Set<string>();
		const pushed = await pushFiles(push(), {
			...(await context()),
			onFile: (path, state) => states.add(`${state} ${path}`),
		});
		const repository = hub.repositories.get(ID);
		expect(pushed).toEqual({ commit: repository?.commit, url: `${hub.endpoint}/${ID}`, isNew: true });
		expect(repository?.isPrivate).toBe(true);
		expect(repository?.tags.get("v3.0")).toBe(pushed.commit);
		expect([...states]).toEqual(
			expect.arrayContaining(["hashing videos/top/v.mp4", "uploading videos/top/v.mp4"]),
		);
		const reference = { repo: "someone/new", revision: null };
		const snapshot = await openSnapshot(
			{ kind: "dataset", reference, defaultRevisions: ["v3.0", "main"] },
			await context(),
		);
		await snapshot.fetch(snapshot.paths);
		expect(snapshot.commit).toBe(pushed.commit);
		expect(Buffer.compare(readFileSync(join(snapshot.directory, "videos/top/v.mp4")), video)).toBe(0);
		expect(readFileSync(join(snapshot.directory, "README.md"), "utf8")).toBe("# new\n");
	});

	test("again: leaves the visibility, sends large files once, moves the tag", async () => {
		await pushFiles(push({ isPrivate: false }), await context());
		hub.requests.length = 0;
		const files = [...push().files, { path: "meta/more.json", from: { text: "1" } }];
		const { isNew, commit } = await pushFiles(push({ files }), await context());
		expect(isNew).toBe(false);
		expect(hub.requests.filter((line) => line.startsWith("PUT"))).toEqual([]);
		expect(hub.repositories.get(ID)).toMatchObject({ isPrivate: false, commit });
		expect(hub.repositories.get(ID)?.tags.get("v3.0")).toBe(commit);
	});

	test("sends a file again when the hub stumbles", async () => {
		hub.misbehave(/^\/lfs\//, "broken", 2);
		await pushFiles(push(), await context());
		expect(hub.requests.filter((line) => line.startsWith("PUT"))).toHaveLength(3);
	});

	test.each([
		["without a token", { HF_TOKEN: "" }, "hub-unauthorized"],
		["with a token that may not write", { HF_TOKEN: "hf_read" }, "hub-unauthorized"],
		["offline", { HF_HUB_OFFLINE: "1" }, "hub-offline"],
		["without a hub", { HF_ENDPOINT: "http://127.0.0.1:9" }, "hub-unreachable"],
	])("%s nothing is uploaded", async (_, env, code) => {
		const failure = await pushFiles(push(), await context(env)).catch((error: unknown) => error);
		expect(failure).toBeInstanceOf(HubError);
		expect(failure).toMatchObject({ code });
		expect(hub.repositories.size).toBe(0);
		expect(existsSync(join(folder, "home", "hub"))).toBe(false);
	});
});
