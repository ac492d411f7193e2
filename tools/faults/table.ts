// The fault matrix as a page.
import { cpus, totalmem } from "node:os";
import type { FaultResult } from "./point.ts";

/** Facts about the whole. */
export interface TableFacts {
	readonly seconds: number;
	readonly parallel: number;
	/** Points that this machine could not try. */
	readonly leftOut: readonly string[];
}

/** docs/faults.md. */
export function tableOf(results: readonly FaultResult[], { seconds, parallel, leftOut }: TableFacts): string {
	const numPassed = results.filter(({ failure }) => failure === null).length;
	const [cpu] = cpus();
	const machine = `${cpus().length} × ${cpu?.model ?? "unknown"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
	const lines = [
		"# Faults",
		"",
		"Written by `npm run faults`: a server and three sites as processes over TLS, two rounds, the production server, client,",
		"log and transport with sites whose training is a formula (the rows that say `zk0`: the program's own commands in the",
		"background, training a small policy, ending with the model of `zk0 simulate`). A *transient* fault must end at the bytes",
		"of the undisturbed run with all updates in; a *removing* one at the bytes of a run in memory with exactly the accepted",
		"updates. After every point the log's hash chain is checked.",
		"",
		`${numPassed} of ${results.length} points passed in ${seconds} s, ${parallel} at a time (${machine}).`,
		...(leftOut.length === 0 ? [] : ["", `Not tried here (needs root): ${leftOut.join("; ")}.`]),
		"",
		"Recovery is counted from the restart (or the network's return) until what was away works again: all sites back at a",
		"restarted server, a restarted client online, the first answer over a mended network. *Repeated* are trainings beyond one",
		"per site and round.",
		"",
		"| fault | when | kind | same bytes | recovery | repeated | remark |",
		"|---|---|---|---|---|---|---|",
		...results.map(rowOf),
		"",
	];
	return lines.join("\n");
}

function rowOf({ point, failure, measured, isHashEqual, numRepeated }: FaultResult): string {
	const recoveryMs = measured?.recoveryMs ?? null;
	const recovery = recoveryMs === null ? "" : `${(recoveryMs / 1000).toFixed(1)} s`;
	const limit = measured?.limitMs === undefined ? [] : [`limit ${measured.limitMs / 1000} s`];
	const refusal = point.refusal === undefined ? [] : [`logged as \`${point.refusal}\``];
	const remarks = [...(failure === null ? [] : [`FAILED: ${failure.split("\n")[0]}`]), ...refusal, ...limit];
	if (measured?.note !== undefined) remarks.push(measured.note);
	const cells = [
		point.group,
		point.what,
		point.kind,
		isHashEqual ? "yes" : "no",
		recovery,
		numRepeated > 0 ? String(numRepeated) : "",
		remarks.join("; "),
	];
	return `| ${cells.map((cell) => cell.replaceAll("|", "/")).join(" | ")} |`;
}
