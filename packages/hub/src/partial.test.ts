// Who may write to a file under way: processes that are gone, at work, stalled, or on another machine.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { claimPartial, finishPartial, releasePartial } from "./partial.ts";
import { hubSettings } from "./settings.ts";

let dir = "";
let blob = "";
beforeEach(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-partial-"));
	mkdirSync(join(dir, "blobs"));
	blob = join(dir, "blobs", "abc");
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Calls `onWait` instead of waiting. */
async function claim(onWait: () => void, timeout = "0.05"): Promise<string | null> {
	const settings = await hubSettings({ HOME: dir, HF_HUB_DOWNLOAD_TIMEOUT: timeout });
	const wait = async (): Promise<void> => {
		onWait();
		await new Promise((resolve) => void setTimeout(resolve, 10));
	};
	return await claimPartial(blob, { settings, wait });
}

function never(): void {
	throw new RangeError("waited");
}

function other(owner: string, content: string): string {
	const path = `${blob}.${owner}.0a1b2c3d.incomplete`;
	writeFileSync(path, content);
	return path;
}

const ownHost = async (): Promise<string> => {
	const path = (await claim(never)) ?? "";
	rmSync(path);
	return /@(.*)\.[0-9a-f]+\.incomplete$/.exec(basename(path))?.[1] ?? "";
};

describe("claimPartial", () => {
	test("takes over from a process that is gone, the longest first", async () => {
		const host = await ownHost();
		other(`999999999-abc@${host}`, "long");
		other(`999999998-abc@${host}`, "x");
		const path = (await claim(never)) ?? "";
		expect(readFileSync(path, "utf8")).toBe("long");
		await finishPartial(path, blob);
		expect(readdirSync(join(dir, "blobs"))).toEqual(["abc"]);
		expect(await claim(never)).toBeNull();
	});

	test("takes over from an earlier process with the same id", async () => {
		other(`${process.pid}-earlier@${await ownHost()}`, "bytes");
		expect(readFileSync((await claim(never)) ?? "", "utf8")).toBe("bytes");
	});

	test("waits while another download grows, and finds the blob", async () => {
		const first = (await claim(never)) ?? "";
		let rounds = 0;
		const second = claim(() => {
			writeFileSync(first, "x".repeat(++rounds));
			if (rounds === 5) void finishPartial(first, blob);
		}, "10");
		expect(await second).toBeNull();
		expect(rounds).toBeGreaterThanOrEqual(5);
	});

	test("does not wait for one that stands still, and leaves it alone", async () => {
		const first = (await claim(never)) ?? "";
		const second = (await claim(() => undefined)) ?? "";
		expect(second).not.toBe(first);
		expect([first, second].every((path) => existsSync(path))).toBe(true);
	});

	test("takes over from another machine only after ten minutes", async () => {
		const path = other("12-abc@elsewhere", "bytes");
		expect(readFileSync((await claim(() => undefined)) ?? "", "utf8")).toBe("");
		const longAgo = Date.now() / 1000 - 700;
		utimesSync(path, longAgo, longAgo);
		for (const name of readdirSync(join(dir, "blobs")))
			if (!name.includes("elsewhere")) rmSync(join(dir, "blobs", name));
		expect(readFileSync((await claim(never)) ?? "", "utf8")).toBe("bytes");
	});

	test("takes over what was released", async () => {
		const path = (await claim(never)) ?? "";
		writeFileSync(path, "half");
		await releasePartial(path, blob);
		expect(readFileSync((await claim(never)) ?? "", "utf8")).toBe("half");
	});
});
