// Benchmark `network`: server and nodes as processes over gRPC with TLS 1.3, authentication and signed updates, with sites
// that do next to nothing, so that the network and the server are what is measured. Parts can be run alone.
import { loadavg } from "node:os";
import { measureModel } from "./network/model.ts";
import { measureNodes } from "./network/nodes.ts";
import { measureSites } from "./network/sites.ts";
import { measureUpload } from "./network/upload.ts";

const PARTS: Readonly<Record<string, () => Promise<Readonly<Record<string, unknown>>>>> = {
	small: async () => ({ small2x2Ms: (await measureModel({ numTensors: 1, elementsPerTensor: 1024 })).ms }),
	mb100: async () => {
		const model = { numTensors: 10, elementsPerTensor: 2_500_000 };
		const { ms, serverRssMb, ...rest } = await measureModel(model);
		return { mb100x2x2Ms: ms, mb100ServerRssMb: serverRssMb, mb100: rest };
	},
	upload: measureUpload,
	sites12: () => measureSites(),
	nodes1000: measureNodes,
};

/** Runs the parts that are named, or all; each with the machine's load before it. */
export async function runNetworkBench(names: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
	const chosen = names.length === 0 ? Object.keys(PARTS) : names;
	const unknown = chosen.find((name) => PARTS[name] === undefined);
	if (unknown !== undefined)
		throw new RangeError(`network: no part ${unknown}; there are ${Object.keys(PARTS).join(", ")}`);
	let results: Readonly<Record<string, unknown>> = {};
	const load: Record<string, number> = {};
	for (const name of chosen) {
		load[name] = Math.round((loadavg()[0] ?? 0) * 100) / 100;
		results = { ...results, ...(await PARTS[name]?.()) };
		console.error(`network ${name}: ${JSON.stringify(results)}`);
	}
	return { ...results, loadBefore: load };
}
