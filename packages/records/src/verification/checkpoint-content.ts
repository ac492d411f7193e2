// Parts of a checkpoint that a verification compares.
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { bytesOf } from "@zk0/arrays";
import { type Checkpoint, trainedNames } from "@zk0/policy";

/** SHA-256 over names and bytes of all tensors that are not trained; one tensor is in memory at a time. */
export function frozenHash({ model, file }: Checkpoint): string {
	const trained = new Set(trainedNames(model));
	const hash = createHash("sha256");
	for (const name of [...file.entries.keys()].sort()) {
		if (trained.has(name)) continue;
		const { dtype, shape, data } = file.read(name);
		hash.update(`${name} ${dtype} ${shape.join("x")}\n`).update(bytesOf(data));
	}
	return hash.digest("hex");
}

/** The checkpoints of a round that are bound to sites, beside its global one, sorted by site. */
export function boundCheckpoints(globalDir: string): { readonly site: string; readonly path: string }[] {
	const sites = join(globalDir, "..", "sites");
	if (!existsSync(sites)) return [];
	const found = readdirSync(sites).map((site) => ({ site, path: join(sites, site, "pretrained_model") }));
	return found.filter(({ path }) => existsSync(path)).sort((a, b) => (a.site < b.site ? -1 : 1));
}
