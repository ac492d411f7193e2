// `zk0 doctor`: whether this machine can do what zk0 does, how fast, and what to do about what is missing.
import { resolve } from "node:path";
import { z } from "zod";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import type { ExitName } from "../exit-codes.ts";
import { wrap } from "../help.ts";
import type { Host } from "../host.ts";
import type { Finding, FindingLevel } from "../machine/finding.ts";
import { checkNetwork } from "../machine/network-checks.ts";
import { checkSystem } from "../machine/system-checks.ts";
import { STATE_OPTION } from "../network/home.ts";
import type { Output } from "../output.ts";
import { createPaint, type Paint, wantsColour } from "../progress/paint.ts";

const WIDTH = 100;

/** The command. */
export const doctor = defineCommand({
	options: {
		quick: {
			kind: "switch",
			schema: z.boolean(),
			summary: "do not measure: no devices, no training step, no video",
		},
		out: { ...RUN_OPTIONS.out, summary: "directory that is to hold runs (default: runs)" },
		state: STATE_OPTION,
	},
	notes: [
		"Looks at Node, processor, memory, disk, cache, optional parts, variables, devices, a training step of the small " +
			"policy, video, hub, ports, this machine's server, and the server that its client joined (certificate, round trip, " +
			"clock, upload). The times for full size are computed from the rate of one matrix product. It fails (exit code 17) when " +
			"something has to be repaired.",
	],
	examples: ["zk0 doctor", "zk0 doctor --quick --json"],
	async run({ values, host, output }): Promise<ExitName | void> {
		const out = resolve(host.cwd, values.out ?? "runs");
		const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
		const findings: Finding[] = [];
		const show = (found: readonly Finding[]): void => {
			findings.push(...found);
			if (!output.json)
				for (const finding of found) for (const line of renderFinding(finding, paint)) output.line(line);
		};
		show(await checkSystem(host, out));
		show(await checkNetwork(host, values.state, values.quick !== true));
		const isInstalled = (part: string): boolean =>
			findings.some(({ name, level }) => name === part && level === "good");
		if (values.quick !== true) await measure({ host, out, show, output, isInstalled });
		const count = (level: FindingLevel): number =>
			findings.filter((finding) => finding.level === level).length;
		const errors = count("error");
		const warnings = count("warning");
		output.result({ findings, errors, warnings }, () => summaryText(errors, warnings));
		return errors === 0 ? undefined : "not-ready";
	},
});

async function measure({
	host,
	out,
	show,
	output,
	isInstalled,
}: {
	readonly host: Host;
	readonly out: string;
	readonly show: (findings: readonly Finding[]) => void;
	readonly output: Output;
	readonly isInstalled: (part: string) => boolean;
}): Promise<void> {
	const { signal } = host;
	const compute = await import("../machine/compute-checks.ts");
	if (isInstalled("node-av")) show([await compute.checkVideo(signal)]);
	if (!isInstalled("onnxruntime-node")) return;
	if (!output.json) output.line("… measuring");
	const { findings, trials } = await compute.checkDevices(signal);
	show(findings);
	const cpu = trials.find(({ device }) => device === "cpu");
	if (cpu?.works !== true) return;
	show([await compute.checkTrainingStep(signal)]);
	show(await compute.suggestFullSize(cpu.gflops, trials, out));
}

/** A mark, what was looked at and found, and the cure below. */
function renderFinding({ name, level, found, cure }: Finding, paint: Paint): string[] {
	const marks = {
		good: paint.good("ok   "),
		info: "note ",
		warning: paint.warn("warn "),
		error: paint.bad("FAIL "),
	};
	const indent = " ".repeat(7);
	const [first = "", ...more] = wrap(`${name}: ${found}`, WIDTH - 7);
	const cures = cure === null ? [] : wrap(`→ ${cure}`, WIDTH - 7);
	return [`${marks[level]}  ${first}`, ...[...more, ...cures].map((line) => `${indent}${line}`)];
}

function summaryText(errors: number, warnings: number): string {
	if (errors > 0) return `${errors} to repair, ${warnings} warnings`;
	return warnings > 0 ? `works here, ${warnings} warnings` : "everything works here";
}
