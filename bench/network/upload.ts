// One site's update of 400 MB on its way: from the moment that training has ended until the server has answered that the
// update is checked, stored and recorded. Beside it, in the same run, a bare grpc-js upload of as many bytes over TLS,
// which reads nothing, checks nothing and keeps nothing.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { startChild } from "../../tools/toy-federation/child-lines.ts";
import { openToyFederation } from "../../tools/toy-federation/federation.ts";
import { testCertificate } from "./test-certificate.ts";

const MODEL = { numTensors: 20, elementsPerTensor: 5_000_000 };
const NUM_BYTES = 400_000_000;
/** Rounds of one update each; the best counts, as it does for the bare upload. */
const NUM_UPLOADS = 3;
const NUM_RAW = 3;
/** As zk0's client sends: chunks of 5 MiB, three at a time, in a window of 4 MiB. */
const RAW = { pieceBytes: 5 << 20, concurrency: 3, windowBytes: 4 << 20, numBytes: NUM_BYTES };

/** Figures of uploads. */
export async function measureUpload(): Promise<{
	readonly uploadShareOfRaw: number;
	readonly upload400MbPerS: number;
	readonly upload: {
		readonly ms: readonly number[];
		readonly rawMs: readonly number[];
		readonly serverRssMb: number;
	};
}> {
	const ms: number[] = [];
	const rawMs: number[] = [];
	await using federation = await openToyFederation({
		sites: ["site-a"],
		model: MODEL,
		numRounds: NUM_UPLOADS,
	});
	await using server = await federation.startServer();
	const client = await federation.startClient(["site-a"]);
	let since = 0;
	for (let round = 1; round <= NUM_UPLOADS; round++) {
		const { line: trained } = await client.waitFor("training", ({ kind }) => kind === "trained", {
			since,
			timeoutMs: 120_000,
		});
		since = client.lines.indexOf(trained) + 1;
		const { line: delivered } = await client.waitFor("delivery", ({ kind }) => kind === "task-ended", {
			since,
			timeoutMs: 120_000,
		});
		ms.push(Math.round(delivered.atMs - trained.atMs));
	}
	const { line: end } = await server.waitFor("the end", ({ kind }) => kind === "finished", {
		timeoutMs: 120_000,
	});
	for (let run = 0; run < NUM_RAW; run++) rawMs.push(await rawUploadMs());
	const best = Math.min(...ms);
	return {
		uploadShareOfRaw: Math.round((Math.min(...rawMs) / best) * 1000) / 1000,
		upload400MbPerS: Math.round(NUM_BYTES / 1e3 / best),
		upload: { ms, rawMs, serverRssMb: end.kind === "finished" ? end.peakRssMb : Number.NaN },
	};
}

const rawLineSchema = z.object({ port: z.int().optional(), ms: z.number().optional() });

/** A bare upload between two processes. */
async function rawUploadMs(): Promise<number> {
	const dir = await mkdtemp(join(tmpdir(), "zk0-raw-upload-"));
	try {
		const { authority, certificate } = await testCertificate();
		const child = fileURLToPath(new URL("./raw-grpc-child.ts", import.meta.url));
		const start = async (role: string, port: number) => {
			const path = join(dir, `${role}.json`);
			await writeFile(path, JSON.stringify({ ...RAW, ...certificate, authority, role, port }));
			return startChild([process.execPath, ...process.execArgv, child, path], rawLineSchema);
		};
		await using server = await start("server", 0);
		const { line } = await server.waitFor("its port", ({ port }) => port !== undefined);
		await using client = await start("client", line.port ?? 0);
		const { line: result } = await client.waitFor("its end", ({ ms }) => ms !== undefined);
		return Math.round(result.ms ?? Number.NaN);
	} finally {
		await rm(dir, { recursive: true });
	}
}
