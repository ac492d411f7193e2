import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { sha256File } from "@zk0/arrays/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { captureHost } from "../testing/capture-host.ts";
import type { RunSetup } from "./run-setup.ts";
import { startFiles, startModel } from "./start-files.ts";

let dir = "";
beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-start-"));
});
afterAll(() => rm(dir, { recursive: true }));

async function folder(name: string, files: Readonly<Record<string, string>>): Promise<string> {
	for (const [file, text] of Object.entries(files)) {
		const path = join(dir, name, file);
		await mkdir(dirname(path), { recursive: true });
		await writeFile(path, text);
	}
	return join(dir, name);
}

async function setUp() {
	const base = await folder("base", {
		"config.json": "{}",
		"model.safetensors": "weights",
		"tokenizer/tokenizer.json": "{}",
		"training/optimizer.bin": "of no use to sites",
	});
	const directory = await folder("adapter", {
		"config.json": "{}",
		"adapter_config.json": "{}",
		"adapter_model.safetensors": "ab",
	});
	const checkpoint = {
		directory,
		base: { name: base, revision: null, directory: base, sha256: "" },
		tokenizerDir: join(base, "tokenizer"),
	};
	const files = await startFiles(checkpoint);
	const start: RunSetup["start"] = {
		init: "/only/at/the/server",
		preset: "full",
		seed: 1,
		loraRank: 4,
		loraAlpha: null,
		loraFreezeA: false,
		modelSha256: await sha256File(join(directory, "adapter_model.safetensors")),
		files: "f".repeat(64),
	};
	let numFetched = 0;
	const fetchFiles = async (_id: string, to: string): Promise<void> => {
		numFetched++;
		for (const [name, path] of files) {
			await mkdir(dirname(join(to, name)), { recursive: true });
			await copyFile(path, join(to, name));
		}
	};
	return { files, start, context: { fetchFiles }, count: () => numFetched };
}

test("an adapter travels with its base; a site fetches it once and opens it from its own folder", async () => {
	const { files, start, context, count } = await setUp();
	expect([...files.keys()].sort()).toEqual([
		"base/config.json",
		"base/model.safetensors",
		"base/tokenizer/tokenizer.json",
		"start/adapter_config.json",
		"start/adapter_model.safetensors",
		"start/config.json",
	]);
	const models = join(dir, "models");
	const options = { models, host: captureHost({ cwd: dir }), start, context };
	const kept = join(models, start.files);
	expect(await startModel(options)).toEqual({ directory: join(kept, "start"), baseDir: join(kept, "base") });
	await startModel(options);
	expect(count()).toBe(1);
});

test("other weights than the run's are refused and forgotten", async () => {
	const { start, context, count } = await setUp();
	const wrong = { ...start, modelSha256: "0".repeat(64) };
	const options = { models: join(dir, "wrong"), host: captureHost({ cwd: dir }), start: wrong, context };
	await expect(startModel(options)).rejects.toMatchObject({ code: "model-unusable" });
	await expect(startModel(options)).rejects.toMatchObject({ code: "model-unusable" });
	expect(count()).toBe(2);
});
