// Checks that package dependencies only point to lower layers (docs/architecture.md).
import { readdirSync, readFileSync } from "node:fs";
import { z } from "zod";

const LAYER: Readonly<Record<string, number>> = {
	arrays: 0,
	autodiff: 1,
	dataset: 1,
	flower: 1,
	hub: 1,
	policy: 2,
	sim: 2,
	doctor: 2,
	federation: 2,
	finetune: 3,
	dashboard: 3,
	monitor: 3,
	records: 3,
	cli: 4,
};

const manifestSchema = z.object({ dependencies: z.record(z.string(), z.string()).default({}) });

const failures: string[] = [];
for (const name of readdirSync("packages")) {
	const layer = LAYER[name];
	if (layer === undefined) {
		failures.push(`packages/${name} has no layer in tools/check-layers.ts`);
		continue;
	}
	const manifest = manifestSchema.parse(JSON.parse(readFileSync(`packages/${name}/package.json`, "utf8")));
	for (const dependency of Object.keys(manifest.dependencies)) {
		if (!dependency.startsWith("@zk0/")) continue;
		const target = LAYER[dependency.slice("@zk0/".length)];
		if (target === undefined || target >= layer) {
			failures.push(
				`${name} (layer ${layer}) may not depend on ${dependency} (layer ${target ?? "unknown"})`,
			);
		}
	}
}
for (const failure of failures) console.error(failure);
process.exitCode = failures.length === 0 ? 0 : 1;
