// `zk0 cache show|verify|clear`: the prefix cache of this machine, shared by all runs.
import { clearStore, inspectStore, type SegmentReport } from "@zk0/finetune";
import { formatBytes } from "@zk0/records/format";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import type { Host } from "../host.ts";
import { cacheDirectory } from "../recordings/recording-cache.ts";
import { prefixCacheDir } from "../simulation/run-cache.ts";

const NOTES = [
	"The cache keeps what the frozen layers of a policy give for a frame. It lies in ZK0_CACHE_DIR (default: " +
		"~/.cache/zk0) under prefix/. Deleting it costs time and nothing else.",
];

/** Shows what is kept. */
export const cacheShow = defineCommand({
	options: {},
	notes: NOTES,
	async run({ host, output }) {
		const { dir, totals } = await inspect(host, false);
		output.result({ dir, ...totals }, () => totalLines(dir, totals).join("\n"));
	},
});

/** Reads and checks everything that is kept. */
export const cacheVerify = defineCommand({
	options: {},
	notes: [
		...NOTES,
		"Runs check what they read anyway. Fails (exit code 9) when an entry was damaged: the disk may be failing.",
	],
	async run({ host, output }) {
		const { dir, totals } = await inspect(host, true);
		output.result({ dir, ...totals }, () =>
			[...totalLines(dir, totals), `damaged   ${totals.damaged ?? 0}`].join("\n"),
		);
		if ((totals.damaged ?? 0) === 0) return;
		throw new CliError("cache-damaged", `${totals.damaged} entries of ${dir} were damaged and dropped`, {
			cure: "they are computed again when needed; check the disk if this happens again",
		});
	},
});

/** Deletes everything that is kept. */
export const cacheClear = defineCommand({
	options: {},
	notes: NOTES,
	async run({ host, output }) {
		const { dir, totals } = await inspect(host, false);
		await clearStore(dir);
		output.result({ dir, ...totals }, () => `deleted ${formatBytes(totals.bytes)} from ${dir}`);
	},
});

interface Totals {
	readonly segments: number;
	readonly entries: number;
	readonly bytes: number;
	/** Segments that a living process may still write to. */
	readonly inUse: number;
	/** Damaged entries; null when nothing was read. */
	readonly damaged: number | null;
}

async function inspect(
	host: Host,
	verify: boolean,
): Promise<{ readonly dir: string; readonly totals: Totals }> {
	const dir = prefixCacheDir(cacheDirectory(host.env));
	const reports = await inspectStore(dir, { verify, signal: host.signal });
	const sum = (read: (report: SegmentReport) => number): number =>
		reports.reduce((total, report) => total + read(report), 0);
	return {
		dir,
		totals: {
			segments: reports.length,
			entries: sum(({ numEntries }) => numEntries),
			bytes: sum(({ sizeBytes }) => sizeBytes),
			inUse: sum(({ isWritten }) => (isWritten ? 1 : 0)),
			damaged: verify ? sum(({ numDamaged }) => numDamaged ?? 0) : null,
		},
	};
}

function totalLines(dir: string, { segments, entries, bytes, inUse }: Totals): string[] {
	return [
		`cache     ${dir}`,
		`size      ${formatBytes(bytes)}`,
		`entries   ${entries}`,
		`segments  ${segments}${inUse > 0 ? `, ${inUse} being written` : ""}`,
	];
}
