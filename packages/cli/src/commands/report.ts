// `zk0 report <run>`: the validation report of a run, from its record alone.

import { existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import { sha256File } from "@zk0/arrays/node";
import { replayRun } from "@zk0/federation";
import { weightsPath } from "@zk0/policy";
import { readEvents, readRunRecord, requireRounds } from "@zk0/records";
import { writeRunFiles } from "@zk0/records/report";
import { verifyRun } from "@zk0/records/verification";
import { z } from "zod";
import { findRun, RUN_POSITIONAL } from "../arguments/find-run.ts";
import type { OptionTable } from "../arguments/option.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";

const OPTIONS = {
	out: { ...RUN_OPTIONS.out, summary: "directory that holds the runs (default: runs)" },
	to: {
		kind: "text",
		schema: z.string().min(1),
		value: "<file>",
		summary: "file to write (default: report.html in the run's directory)",
	},
	verify: {
		kind: "switch",
		schema: z.boolean(),
		summary: "verify the run and say in the report what was found (default; --no-verify leaves it out)",
	},
} satisfies OptionTable;

/** The command. */
export const report = defineCommand({
	positionals: [RUN_POSITIONAL],
	options: OPTIONS,
	notes: [
		"One HTML file without scripts that prints well: result with 95 % intervals over the sites, losses and joint " +
			"errors by site, bytes, timings, incidents, who took part and with what keys, what a verification found, " +
			"environment and settings. Every number comes from the run's log and record.",
	],
	examples: ["zk0 report latest", "zk0 report latest --to /tmp/kitchen.html --no-verify"],
	async run({ values, named, host, output }) {
		const found = await findRun(resolve(host.cwd, values.out ?? "runs"), named["run"] ?? "");
		const record = await readRunRecord(found.config);
		requireRounds(record);
		const { events } = await readEvents(found.events);
		const checkpoint = found.globalCheckpoint(replayRun(events).round);
		const modelSha256 = existsSync(checkpoint) ? await sha256File(weightsPath(checkpoint)) : null;
		const path = values.to === undefined ? found.report : resolve(host.cwd, values.to);
		const verification = values.verify === false ? null : await verifyRun(found, { open: { hub: host } });
		await writeRunFiles({
			paths: { ...found, report: path },
			record,
			events,
			modelSha256,
			...(verification === null ? {} : { checks: verification.checks }),
		});
		output.result({ report: path, verified: verification?.holds ?? null }, () => {
			const state =
				verification === null ? "not verified" : verification.holds ? "verified" : "VERIFICATION FAILED";
			return `${relative(host.cwd, path) || path}: ${state}`;
		});
		return verification?.holds === false ? "not-verified" : "ok";
	},
});
