// `npm run faults [-- --only <text>] [--parallel <n>]`: tries every point of the fault matrix on processes over TLS and
// writes docs/faults.md. Ends with status 1 when a point fails. With --only, the points whose text contains it; nothing is
// written then.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { CLIENT_POINTS } from "./faults/client-points.ts";
import { CONTENT_POINTS } from "./faults/content-points.ts";
import { NETWORK_POINTS } from "./faults/network-points.ts";
import { type FaultPoint, type FaultResult, tryPoint } from "./faults/point.ts";
import { references } from "./faults/reference.ts";
import { SERVER_POINTS } from "./faults/server-points.ts";
import { CHANGED_POINTS, canMount, DISK_POINTS } from "./faults/storage-points.ts";
import { tableOf } from "./faults/table.ts";

const OUTPUT = "docs/faults.md";

const { values } = parseArgs({
	options: { only: { type: "string" }, parallel: { type: "string", default: "3" } },
});
const diskPoints = (await canMount()) ? DISK_POINTS : [];
const all = [
	// The longest first, so that they run beside the others.
	...NETWORK_POINTS,
	...CLIENT_POINTS,
	...SERVER_POINTS,
	...CHANGED_POINTS,
	...diskPoints,
	...CONTENT_POINTS,
];
const chosen = all.filter(({ group, what }) => `${group}: ${what}`.includes(values.only ?? ""));
const reference = references();
const results = new Map<FaultPoint, FaultResult>();
const startMs = performance.now();
let next = 0;

async function work(): Promise<void> {
	for (;;) {
		const point = chosen[next++];
		if (point === undefined) return;
		const pointStartMs = performance.now();
		const result = await tryPoint(point, reference);
		results.set(point, result);
		const seconds = ((performance.now() - pointStartMs) / 1000).toFixed(1);
		const verdict = result.failure === null ? "ok  " : "FAIL";
		console.log(
			`${verdict} ${point.group}: ${point.what} (${seconds} s)${result.failure === null ? "" : `\n     ${result.failure}`}`,
		);
	}
}

await Promise.all(Array.from({ length: Number(values.parallel) }, work));
const inOrder = chosen.flatMap((point) => results.get(point) ?? []);
const numFailed = inOrder.filter(({ failure }) => failure !== null).length;
const seconds = Math.round((performance.now() - startMs) / 1000);
console.log(`${inOrder.length - numFailed} of ${inOrder.length} points passed in ${seconds} s`);
if (values.only === undefined) {
	const leftOut = diskPoints.length === 0 ? DISK_POINTS.map(({ group, what }) => `${group} ${what}`) : [];
	writeFileSync(OUTPUT, tableOf(inOrder, { seconds, parallel: Number(values.parallel), leftOut }));
}
process.exitCode = numFailed === 0 ? 0 : 1;
