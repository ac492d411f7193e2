// A server's state folder as it is at one moment, in a folder of hard links and copies, while the server goes on working:
// logs are cut at their last whole line, objects and checkpoints are never changed once they have their name, and everything
// else is small and replaced as a whole. What a run's log refers to is checked to be there.
import { copyFile, link, mkdir, open, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { replayRun, verifyEventLog } from "@zk0/federation";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";

/** What a process leaves while it runs, and what is of no use elsewhere. */
const LEFT_OUT =
	/^(views\.json|admin\.json|.*\.lock|.*\.log(\.\d+)?|.*\.part|\.?backup-.*|incoming|\..*\.tmp-.*)$/;
/** Below these nothing changes once it has its name. */
const IMMUTABLE = /(^|\/)(objects|checkpoints|apps)\//;
const EVENTS = "events.jsonl";
/** A round may end while its run is taken. */
const MAX_TRIES = 10;

/** Takes the state folder `from` into the empty folder `to` on the same disk. @throws CliError "state-damaged" */
export async function takeSnapshot(from: string, to: string): Promise<void> {
	await takeFolder(from, to, "", new Set(["runs"]));
	for (const runId of await namesIn(join(from, "runs"))) {
		await mkdir(join(to, "runs", runId), { recursive: true });
		await takeRun(join(from, "runs", runId), join(to, "runs", runId));
	}
}

/** Takes a run: first its log, then what the log needs. Objects that go meanwhile mean that the log went on. */
async function takeRun(from: string, to: string): Promise<void> {
	for (let tries = 0; tries < MAX_TRIES; tries++) {
		await copyLog(join(from, EVENTS), join(to, EVENTS));
		await takeFolder(from, to, "", new Set([EVENTS]));
		if (await isWhole(to)) return;
	}
	throw new CliError("state-damaged", `${from}: objects that its log names are not there`, {
		cure: "see `zk0 runs show`, or try again when no round ends",
	});
}

/** True when every object that the run needs to go on is in the snapshot. */
async function isWhole(run: string): Promise<boolean> {
	if (!(await exists(join(run, EVENTS)))) return true;
	const { events } = await verifyEventLog(join(run, EVENTS));
	const { weightsHistory, slotsSha256, open: round } = replayRun(events);
	const updates = [...(round?.updates.values() ?? [])].map(({ sha256 }) => sha256);
	const needed = [...weightsHistory, ...updates, ...(slotsSha256 === null ? [] : [slotsSha256])];
	const objects = new Set(await namesIn(join(run, "federation", "server", "objects")));
	// A run that was recorded but has not begun has no objects yet.
	return objects.size === 0 ? events.length <= 1 : needed.every((sha256) => objects.has(sha256));
}

async function takeFolder(
	from: string,
	to: string,
	below: string,
	except: ReadonlySet<string> = new Set(),
): Promise<void> {
	await mkdir(join(to, below), { recursive: true });
	for (const name of await namesIn(join(from, below))) {
		if (LEFT_OUT.test(name) || except.has(name)) continue;
		await take(from, to, join(below, name));
	}
}

async function take(from: string, to: string, path: string): Promise<void> {
	const [source, target] = [join(from, path), join(to, path)];
	try {
		const found = await stat(source);
		if (found.isDirectory()) await takeFolder(from, to, path);
		else if (path.endsWith(".jsonl")) await copyLog(source, target);
		else if (IMMUTABLE.test(path)) await linkOnce(source, target);
		else await copyFile(source, target);
	} catch (error) {
		// Pruned, or used up, since the folder was read. What a run cannot do without is checked afterwards.
		if (codeOf(error) !== "ENOENT") throw error;
	}
}

async function linkOnce(source: string, target: string): Promise<void> {
	try {
		await link(source, target);
	} catch (error) {
		if (codeOf(error) !== "EEXIST") throw error;
	}
}

/** Copies a log up to its last whole line; none is none. */
async function copyLog(source: string, target: string): Promise<void> {
	if (!(await exists(source))) return;
	await using from = await open(source, "r");
	const bytes = await from.readFile();
	await mkdir(dirname(target), { recursive: true });
	await using to = await open(target, "w", 0o600);
	await to.writeFile(bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1));
}

/** Names in a folder, sorted; none when it is not there. */
async function namesIn(folder: string): Promise<string[]> {
	try {
		return (await readdir(folder)).sort();
	} catch (error) {
		if (codeOf(error) === "ENOENT") return [];
		throw error;
	}
}

async function exists(path: string): Promise<boolean> {
	try {
		await stat(path);
		return true;
	} catch (error) {
		if (codeOf(error) === "ENOENT") return false;
		throw error;
	}
}
