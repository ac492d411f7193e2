import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { float32Array, type NdArray, ndArray } from "./nd-array.ts";
import {
	hashTensors,
	openSafetensors,
	processStart,
	sha256File,
	sha256Hex,
	writeFileAtomic,
	writePartsAtomic,
	writeSafetensorsFile,
} from "./node.ts";
import { encodeSafetensors } from "./safetensors.ts";

let directory = "";
beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "zk0-arrays-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const arrays = new Map<string, NdArray>([
	["w", float32Array([2, 2], [1, 2, 3, 4])],
	["h", ndArray("bfloat16", [1], Uint16Array.of(0x3fc0))],
]);

describe("safetensors file", () => {
	test("reads tensors, converts to float32 and reads into a caller's buffer", async () => {
		const path = join(directory, "a.safetensors");
		await writeSafetensorsFile(path, arrays, { metadata: { format: "pt" } });
		using file = openSafetensors(path);
		expect(file.metadata).toEqual({ format: "pt" });
		expect(file.read("w")).toEqual(arrays.get("w"));
		expect([...file.readFloat32("h").data]).toEqual([1.5]);
		const target = new Float32Array(4);
		file.readInto("w", new Uint8Array(target.buffer));
		expect([...target]).toEqual([1, 2, 3, 4]);
		expect(() => file.read("nope")).toThrow(/no tensor nope/);
		expect(() => file.readInto("w", new Uint8Array(3))).toThrow(RangeError);
		file[Symbol.dispose]();
		expect(() => file.read("w")).toThrow(/after dispose/);
	});

	test("a truncated file is refused at open, naming the file", () => {
		const path = join(directory, "cut.safetensors");
		writeFileSync(path, encodeSafetensors(arrays).subarray(0, -1));
		expect(() => openSafetensors(path)).toThrow(/cut\.safetensors.*bytes are there/);
	});
});

describe("hashes", () => {
	test("equal whatever the insertion order; the file's hash is the bytes' hash", async () => {
		expect(hashTensors(arrays)).toBe(hashTensors(new Map([...arrays].reverse())));
		expect(hashTensors(arrays)).toBe(sha256Hex(encodeSafetensors(arrays)));
		const path = join(directory, "x");
		await writeFileAtomic(path, "abc");
		// FIPS 180-2 test vector
		expect(await sha256File(path)).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	});
});

describe("atomic write", () => {
	test("a failure half-way keeps the old file and leaves no temporary file", async () => {
		const path = join(directory, "model");
		await writeFileAtomic(path, "old");
		const failing = async function* (): AsyncGenerator<Uint8Array> {
			yield new Uint8Array(10);
			throw Object.assign(new TypeError("no space left on device"), { code: "ENOSPC" });
		};
		await expect(writePartsAtomic(path, failing())).rejects.toThrow(/no space/);
		expect(readFileSync(path, "utf8")).toBe("old");
		expect(readdirSync(directory)).toEqual(["model"]);
	});

	test("creates missing directories and replaces a file", async () => {
		const path = join(directory, "a", "b", "c");
		await writeFileAtomic(path, "one");
		await writeFileAtomic(path, "two");
		expect(readFileSync(path, "utf8")).toBe("two");
	});
});

test("a process is told from a later one of its id; a name with blanks and parentheses does not matter", () => {
	const own = processStart(process.pid);
	expect(own).toBe(processStart(process.pid));
	expect(own ?? "not told").toMatch(existsSync("/proc/self/stat") ? /^[0-9a-f-]{36} \d+$/ : /^not told$/);
	const title = process.title;
	process.title = "a (b) c";
	expect(processStart(process.pid)).toBe(own);
	process.title = title;
	// Its parent began earlier, in the same boot.
	expect(processStart(process.ppid)).not.toBe(own);
	expect(processStart(2 ** 31 - 1)).toBeNull();
});
