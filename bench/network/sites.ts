// Twelve sites that hand in updates of 400 MB at once: what the server's memory depends on. Disk: each site keeps the weights
// (4.8 GB), the updates are three files that the sites share (1.2 GB), the server keeps what arrives (at most 4.8 GB).
import { join } from "node:path";
import { openToyFederation } from "../../tools/toy-federation/federation.ts";
import { writeShifted } from "../../tools/toy-federation/toy-site.ts";

const NUM_SITES = 12;
const NUM_UPDATES = 3;

/** Peak memory of the server, and how long training, upload and aggregation took. */
export async function measureSites({ elementsPerTensor = 5_000_000 } = {}): Promise<{
	readonly sites12ServerRssMb: number;
	readonly sites12: { readonly ms: number; readonly uploadsMs: number; readonly aggregationMs: number };
}> {
	const sites = Array.from({ length: NUM_SITES }, (_, index) => `site-${String(index).padStart(2, "0")}`);
	const model = { numTensors: 20, elementsPerTensor };
	await using federation = await openToyFederation({ sites, model, numRounds: 1, waitForAll: true });
	const updates = Array.from({ length: NUM_UPDATES }, (_, index) =>
		join(federation.dir, `update-${index}.safetensors`),
	);
	for (const [index, path] of updates.entries())
		await writeShifted(federation.initialWeightsPath, path, index + 1);
	await using server = await federation.startServer();
	for (const [index, path] of updates.entries()) {
		const served = sites.filter((_, site) => site % NUM_UPDATES === index);
		await federation.startClient(served, { sharedUpdates: [path] });
	}
	const find = async (kind: string, since = 0) => {
		const { line } = await server.waitFor(kind, (one) => one.kind === "event" && one.event.kind === kind, {
			since,
			timeoutMs: 200_000,
		});
		return line.kind === "event" ? line.atMs : Number.NaN;
	};
	const startedMs = await find("run.started");
	const roundMs = await find("round.started");
	const acceptedMs = await find("round.accepted");
	const aggregatedMs = await find("round.aggregated");
	const { line } = await server.waitFor("the end", ({ kind }) => kind === "finished", {
		timeoutMs: 200_000,
	});
	if (line.kind !== "finished" || line.sha256 === null) throw new RangeError(server.complaints);
	return {
		sites12ServerRssMb: line.peakRssMb,
		sites12: {
			ms: Math.round(line.atMs - startedMs),
			uploadsMs: Math.round(acceptedMs - roundMs),
			aggregationMs: Math.round(aggregatedMs - acceptedMs),
		},
	};
}
