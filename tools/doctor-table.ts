// Writes the table of the doctor's codes into docs/data-doctor.md, from the rules themselves; `--check` fails when the
// page is not up to date.
import { readFileSync, writeFileSync } from "node:fs";
import { renderRuleTable } from "@zk0/doctor";

const PAGE = "docs/data-doctor.md";
const [START, END] = ["<!-- codes: written by tools/doctor-table.ts -->", "<!-- end of codes -->"];

const text = readFileSync(PAGE, "utf8");
const [start, end] = [text.indexOf(START), text.indexOf(END)];
if (start < 0 || end < start) throw new RangeError(`${PAGE} lacks the marks "${START}" and "${END}"`);
const wanted = `${text.slice(0, start + START.length)}\n\n${renderRuleTable()}\n\n${text.slice(end)}`;
if (wanted === text) console.log(`${PAGE} is up to date`);
else if (process.argv.includes("--check")) {
	console.error(
		`${PAGE} is not up to date; run: node --import tsx --conditions=source tools/doctor-table.ts`,
	);
	process.exitCode = 1;
} else writeFileSync(PAGE, wanted);
