import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { rng } from "@zk0/arrays";
import {
	arrayRecord,
	deflateContent,
	FlowerError,
	flowerArray,
	memoryObjects,
	type Transport,
} from "@zk0/flower";
import { describe, expect, test } from "vitest";
import { type FetchOptions, fetchFiles, offerFiles } from "./offered-files.ts";
import { openSpillingObjects } from "./spilling-objects.ts";
import { type Harness, startServer } from "./testing/server-harness.ts";
import type { TestNode } from "./testing/test-node.ts";
import { temporaryDir } from "./testing/toy-app.ts";

/** More than one chunk of 5 MiB, none of them equal. */
const LARGE = new Uint8Array(11 << 20);
for (let index = 0; index < LARGE.length; index += 4096) LARGE[index] = (index >> 12) & 0xff;

const CONTENT: Readonly<Record<string, Uint8Array>> = {
	"start/config.json": Buffer.from("{}"),
	"start/vlm/tokenizer v1.json": Buffer.from("{}"),
	"start/model.safetensors": LARGE,
	"base/empty": new Uint8Array(0),
};

async function writeContent(dir: string): Promise<Map<string, string>> {
	const files = new Map<string, string>();
	for (const [name, bytes] of Object.entries(CONTENT)) {
		const path = join(dir, name);
		await mkdir(dirname(path), { recursive: true });
		await writeFile(path, bytes);
		files.set(name, path);
	}
	return files;
}

async function expectContent(dir: string): Promise<void> {
	for (const [name, bytes] of Object.entries(CONTENT))
		expect(Buffer.compare(await readFile(join(dir, name)), bytes)).toBe(0);
}

/** The node's calls, counted; after `numAllowed` of them they fail. */
function counted(
	node: TestNode,
	numAllowed = Number.POSITIVE_INFINITY,
): { transport: Transport; numCalls: number } {
	const counter = {
		numCalls: 0,
		transport: {
			...node.calls,
			unary: async (...call: Parameters<Transport["unary"]>) => {
				if (++counter.numCalls > numAllowed) throw new FlowerError("cancelled", "the network is gone");
				return await node.calls.unary(...call);
			},
		} as Transport, // the generic signature passes through
	};
	return counter;
}

async function optionsFor(
	harness: Harness,
	node: TestNode,
	transport: Transport,
	dir: string,
): Promise<FetchOptions> {
	const retry = { clock: harness.clock, rng: rng("test"), firstDelayMs: 1, maxDelayMs: 1, maxWaitMs: 10 };
	const link = { transport, service: "fleet", nodeId: node.nodeId, runId: 1n } as const;
	return { link, objects: await openSpillingObjects(join(dir, "objects")), retry };
}

describe("offered files", () => {
	test("reach a site whole; an interrupted transfer goes on, and nothing is left on the way", async () => {
		await using dir = await temporaryDir();
		await using harness = await startServer();
		const node = await harness.join("ann");
		const offered = await offerFiles(await writeContent(join(dir.path, "server")));
		expect((await offerFiles(await writeContent(join(dir.path, "elsewhere")))).root).toBe(offered.root);
		harness.grid.offer(offered);
		const there = join(dir.path, "site");
		const cut = counted(node, 8);
		await expect(
			fetchFiles(offered.root, there, await optionsFor(harness, node, cut.transport, dir.path)),
		).rejects.toThrow("the network is gone");
		const rest = counted(node);
		await fetchFiles(offered.root, there, await optionsFor(harness, node, rest.transport, dir.path));
		await expectContent(there);
		expect(cut.numCalls + rest.numCalls).toBeLessThan(20);
		expect(
			(await readdir(join(dir.path, "objects"), { recursive: true })).filter((name) => name.length > 40),
		).toEqual([]);
		const again = counted(node);
		await fetchFiles(offered.root, there, await optionsFor(harness, node, again.transport, dir.path));
		// Only the index: what is whole is not asked for again.
		expect(again.numCalls).toBeLessThan(rest.numCalls);
		await expectContent(there);
	});

	test("paths that lead elsewhere are neither offered nor taken", async () => {
		await using dir = await temporaryDir();
		await using harness = await startServer();
		const node = await harness.join("ann");
		for (const name of ["../x", "/x", "a/../x", "a//b", "", "a\\b"]) {
			await expect(offerFiles(new Map([[name, join(dir.path, "x")]]))).rejects.toBeInstanceOf(RangeError);
			const data = flowerArray({ dtype: "uint8", shape: [1], data: new Uint8Array(1) });
			const content = await deflateContent(new Map([["files", arrayRecord([[name, data]])]]));
			harness.grid.offer(content);
			const options = await optionsFor(harness, node, node.calls, dir.path);
			await expect(fetchFiles(content.root, join(dir.path, "site"), options)).rejects.toMatchObject({
				code: "invalid-argument",
			});
		}
	});

	test("what is not offered is not found", async () => {
		await using dir = await temporaryDir();
		await using harness = await startServer();
		const node = await harness.join("ann");
		const options = { ...(await optionsFor(harness, node, node.calls, dir.path)), objects: memoryObjects() };
		await expect(fetchFiles("a".repeat(64), dir.path, options)).rejects.toMatchObject({ code: "not-found" });
	});
});
