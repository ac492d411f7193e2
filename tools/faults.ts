// `npm run faults [-- --only <text>] [--parallel <n>]`: tries every point of the fault matrix on processes over TLS and
// writes docs/faults.md. Ends with status 1 when a point fails. With --only, the points whose text contains it; nothing is
// written then.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { CLIENT_POINTS } from "./faults/client-points.ts";
import { COMMAND_POINTS, type CommandPoint, tryCommands } from "./faults/command-points.ts";
import { CONTENT_POINTS } from "./faults/content-points.ts";
import { NETWORK_POINTS } from "./faults/network-points.ts";
import { type FaultPoint, type FaultResult, tryPoint } from "./faults/point.ts";
import { QUORUM_POINTS } from "./faults/quorum-points.ts";
import { references } from "./faults/reference.ts";
import { SERVER_POINTS } from "./faults/server-points.ts";
import { CHANGED_POINTS, canMount, DISK_POINTS } from "./faults/storage-points.ts";
import { tableOf } from "./faults/table.ts";

const OUTPUT = "docs/faults.md";

const { values } = parseArgs({
	options: { only: { type: "string" }, parallel: { type: "string", default: "3" } },
});
const hasDisks = await canMount();
const diskPoints = hasDisks ? DISK_POINTS : [];
const commandPoints = COMMAND_POINTS.filter(({ needsDisk }) => hasDisks || needsDisk !== true);
const all = [
	// The longest first, so that they run beside the others.
	...NETWORK_POINTS,
	...CLIENT_POINTS,
	...SERVER_POINTS,
	...QUORUM_POINTS,
	...CHANGED_POINTS,
	...diskPoints,
	...CONTENT_POINTS,
];
const isChosen = ({ group, what }: Pick<FaultPoint, "group" | "what">): boolean =>
	`${group}: ${what}`.includes(values.only ?? "");
const chosen = all.filter(isChosen);
const chosenCommands = commandPoints.filter(isChosen);
const reference = references();
const results = new Map<FaultPoint | CommandPoint, FaultResult>();
const startMs = performance.now();
let next = 0;

async function work(): Promise<void> {
	for (;;) {
		const point = chosen[next++];
		if (point === undefined) return;
		const pointStartMs = performance.now();
		const result = await tryPoint(point, reference);
		results.set(point, result);
		say(result, (performance.now() - pointStartMs) / 1000);
	}
}

function say({ point, failure }: FaultResult, seconds: number): void {
	const verdict = failure === null ? "ok  " : "FAIL";
	const why = failure === null ? "" : `\n     ${failure}`;
	console.log(`${verdict} ${point.group}: ${point.what} (${seconds.toFixed(1)} s)${why}`);
}

await Promise.all(Array.from({ length: Number(values.parallel) }, work));
// By themselves: they train, and the others measure times.
await tryCommands(chosenCommands, hasDisks, (point, result, seconds) => {
	results.set(point, result);
	say(result, seconds);
});
const inOrder = [...chosen, ...chosenCommands].flatMap((point) => results.get(point) ?? []);
const numFailed = inOrder.filter(({ failure }) => failure !== null).length;
const seconds = Math.round((performance.now() - startMs) / 1000);
console.log(`${inOrder.length - numFailed} of ${inOrder.length} points passed in ${seconds} s`);
if (values.only === undefined) {
	const untried = hasDisks ? [] : [...DISK_POINTS, ...COMMAND_POINTS.filter(({ needsDisk }) => needsDisk)];
	const leftOut = untried.map(({ group, what }) => `${group} ${what}`);
	writeFileSync(OUTPUT, tableOf(inOrder, { seconds, parallel: Number(values.parallel), leftOut }));
}
process.exitCode = numFailed === 0 ? 0 : 1;
