// `zk0 server backup` and `zk0 server restore`.
import { resolve } from "node:path";
import { formatBytes } from "@zk0/records/format";
import { defineCommand } from "../command.ts";
import { STATE_OPTION, serverHome } from "../network/home.ts";
import { VERSION } from "../version.ts";

const STATE = { state: STATE_OPTION };

/** `zk0 server backup`. */
export const serverBackup = defineCommand({
	positionals: [{ name: "file", summary: "tar file to write" }],
	options: STATE,
	notes: [
		"The server may be running. The file holds the private keys of the server's authority: whoever has it can pretend to be this server. It is readable by its owner only; keep it so.",
	],
	examples: ["zk0 server backup /backup/zk0-$(date +%F).tar"],
	async run({ values, named, host, output }) {
		process.umask(0o077);
		const { writeBackup } = await import("../backup/archive.ts");
		const file = resolve(host.cwd, named["file"] ?? "");
		const summary = await writeBackup(serverHome(host, values.state), file, {
			version: VERSION,
			nowMs: host.now(),
			signal: host.signal,
		});
		output.result({ file, ...summary }, () =>
			[
				`${summary.numFiles} files, ${formatBytes(summary.sizeBytes)}, ${summary.runs.length} runs in ${file}`,
				"it holds the private keys of this server: keep it to yourself",
			].join("\n"),
		);
	},
});

/** `zk0 server restore`. */
export const serverRestore = defineCommand({
	positionals: [{ name: "file", summary: "a file that `zk0 server backup` wrote" }],
	options: STATE,
	notes: [
		"Every file is checked before anything appears in the state folder, which must be empty. Never run two servers from one backup: sites would deliver to both.",
	],
	examples: ["zk0 server restore /backup/zk0-2026-11-23.tar", "zk0 server start"],
	async run({ values, named, host, output }) {
		process.umask(0o077);
		const { restoreBackup } = await import("../backup/archive.ts");
		const { dir } = serverHome(host, values.state);
		const summary = await restoreBackup(resolve(host.cwd, named["file"] ?? ""), dir, host.signal);
		output.result({ dir, ...summary }, () =>
			[
				`restored ${summary.numFiles} files and ${summary.runs.length} runs of ${summary.at} into ${dir}`,
				"start it: zk0 server start",
			].join("\n"),
		);
	},
});
