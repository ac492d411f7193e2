// Full disks, and files that have changed while nobody looked. A small file system in memory is mounted for the full disk,
// which needs root; without it these points are left out and named.
import { appendFile, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RoundEvent } from "@zk0/federation";
import { type FaultPoint, textOf } from "./point.ts";
import { bytesPassed, restartServer } from "./server-points.ts";
import { BALLAST, mountSmallDisk, unmount } from "./small-disk.ts";
import { LARGE, type Stage } from "./stage.ts";

/** Changes one byte in the middle of a file. */
async function damage(path: string): Promise<Buffer> {
	const before = await readFile(path);
	const file = await open(path, "r+");
	try {
		const at = before.length >> 1;
		await file.write(Buffer.of((before[at] ?? 0) ^ 0xff), 0, 1, at);
	} finally {
		await file.close();
	}
	return before;
}

/** Kills the server at a moment, changes its files, starts it again. */
function changed(
	what: string,
	options: {
		readonly large?: boolean;
		readonly moment: (stage: Stage) => Promise<unknown>;
		readonly change: (stage: Stage) => Promise<void>;
	},
): FaultPoint {
	return {
		group: "file changed at the server",
		what,
		kind: "transient",
		stage: options.large === true ? { model: LARGE } : { trainMs: 200 },
		make: async (stage) => {
			await options.moment(stage);
			await stage.server.kill("SIGKILL");
			await options.change(stage);
			return await restartServer(stage);
		},
	};
}

/** Starts the server, which must refuse to go on, and puts things right. */
function refused(
	what: string,
	code: string,
	change: (stage: Stage) => Promise<() => Promise<void>>,
): FaultPoint {
	return {
		group: "file changed at the server",
		what,
		kind: "transient",
		stage: { trainMs: 200 },
		make: async (stage) => {
			await stage.recorded(({ kind }) => kind === "update.received", "an update");
			await stage.server.kill("SIGKILL");
			const mend = await change(stage);
			await stage.restartServer();
			const endedAs = await stage.server.ended;
			if (endedAs !== 1 || !stage.server.complaints.includes(code))
				throw new RangeError(`the server ended with ${endedAs}, not ${code}: ${stage.server.complaints}`);
			await mend();
			return { ...(await restartServer(stage)), note: `refused with ${code} until the file was restored` };
		},
	};
}

async function eventsOf(stage: Stage): Promise<RoundEvent[]> {
	const lines = (await textOf(stage.federation.eventsPath)).trimEnd().split("\n");
	// Written by the server: whole lines of the log's own schema.
	return lines.map((line) => (JSON.parse(line) as { readonly event: RoundEvent }).event);
}

const objectOf = (stage: Stage, sha256: string): string => join(stage.federation.storeDir, "objects", sha256);

async function updateObject(stage: Stage): Promise<string> {
	const received = (await eventsOf(stage)).find((event) => event.kind === "update.received");
	if (received?.kind !== "update.received") throw new RangeError("no update in the log");
	return objectOf(stage, received.sha256);
}

/** Every file under a folder. */
async function filesIn(dir: string): Promise<string[]> {
	const entries = await readdir(dir, { recursive: true, withFileTypes: true });
	return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** Faults of files. */
export const CHANGED_POINTS: readonly FaultPoint[] = [
	changed("a byte of an accepted update", {
		moment: (stage) => stage.recorded(({ kind }) => kind === "update.received", "an update"),
		change: async (stage) => void (await damage(await updateObject(stage))),
	}),
	changed("an update's file is gone", {
		moment: (stage) => stage.recorded(({ kind }) => kind === "update.received", "an update"),
		change: async (stage) => rm(await updateObject(stage)),
	}),
	changed("a byte of what has arrived of an unfinished update", {
		large: true,
		moment: (stage) => bytesPassed(stage, "bob", "up", 12e6),
		change: async (stage) => {
			for (const path of await filesIn(join(stage.federation.storeDir, "replies"))) await damage(path);
		},
	}),
	changed("half a line at the end of the log", {
		moment: (stage) => stage.recorded(({ kind }) => kind === "round.started", "a round"),
		change: (stage) => appendFile(stage.federation.eventsPath, '{"seq":9,"prev":"00'),
	}),
	refused("a byte in the middle of the log", "log-tampered", async ({ federation: { eventsPath } }) => {
		const before = await damage(eventsPath);
		return () => writeFile(eventsPath, before);
	}),
	refused("a byte of the start model", "log-mismatch", async ({ federation: { initialWeightsPath } }) => {
		const before = await damage(initialWeightsPath);
		return () => writeFile(initialWeightsPath, before);
	}),
	{
		group: "file changed at a client",
		what: "a byte of the weights that it keeps, while it is down",
		kind: "transient",
		stage: { trainMs: 1000 },
		make: async (stage) => {
			await stage.heard("bob", "task", "train 1");
			await stage.client("bob").kill("SIGKILL");
			for (const path of await filesIn(join(stage.federation.dir, "clients", "bob", "weights")))
				await damage(path);
			const startMs = performance.now();
			await stage.restartClient("bob");
			return { recoveryMs: (await stage.heard("bob", "online")) - startMs };
		},
	},
];

/** True where this process may mount. */
export async function canMount(): Promise<boolean> {
	const dir = await mkdtemp(join(tmpdir(), "zk0-faults-mount-"));
	try {
		mountSmallDisk(dir, { sizeMb: 1, ballastMb: 0 });
		unmount(dir);
		return true;
	} catch (error) {
		// Policy: a mount that this process may not make leaves the points out, and the table says so.
		if (error instanceof Error && "status" in error) return false;
		throw error;
	} finally {
		await rm(dir, { recursive: true });
	}
}

/** Waits until a process has ended because of the full disk, and frees space. */
async function endedByDisk(
	stage: Stage,
	{
		ended,
		complaintsNow,
	}: { readonly ended: Promise<number | string>; readonly complaintsNow: () => string },
): Promise<void> {
	const endedAs = await ended;
	if (endedAs !== 1 || !/disk-full|no space left/.test(complaintsNow()))
		throw new RangeError(`ended with ${endedAs}, not disk-full: ${complaintsNow()}`);
	await rm(join(stage.smallDisk ?? "", BALLAST));
}

/** Points that need a disk of their own. */
export const DISK_POINTS: readonly FaultPoint[] = [
	{
		group: "disk full",
		what: "at the server, while updates arrive; space is freed, the server started again",
		kind: "transient",
		stage: { model: LARGE, smallDisk: { at: "server", sizeMb: 400, ballastMb: 330 } },
		make: async (stage) => {
			const { server } = stage;
			await endedByDisk(stage, { ended: server.ended, complaintsNow: () => server.complaints });
			return await restartServer(stage);
		},
	},
	{
		group: "disk full",
		what: "at a client, while it pulls the weights; space is freed, the client started again",
		kind: "transient",
		stage: { model: LARGE, smallDisk: { at: "clients/bob", sizeMb: 300, ballastMb: 275 } },
		make: async (stage) => {
			const client = stage.client("bob");
			const complaintsNow = (): string => JSON.stringify(client.lines.at(-1));
			await endedByDisk(stage, { ended: client.ended, complaintsNow });
			const startMs = performance.now();
			await stage.restartClient("bob");
			return { recoveryMs: (await stage.heard("bob", "online")) - startMs };
		},
	},
];
