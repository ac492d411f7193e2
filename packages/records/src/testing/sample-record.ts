// The config.json of a made-up run, for tests.
import type { RunRecord } from "../run-directory/run-record.ts";

/** A record that reads back. */
export function sampleRecord(runId: string): RunRecord {
	return {
		format: "zk0-run-1",
		runId,
		createdAt: "2026-11-23T12:00:00.000Z",
		config: { rounds: 3, threads: null, imageSize: [96, 96] },
		sources: { rounds: "flag" },
		sites: ["kitchen", "workshop"].map((name) => ({
			name,
			uri: "sim:reach-red",
			dataset: "/data",
			fingerprint: "00",
			cameras: { top: "top" },
		})),
		privacy: "none",
		learning: { batchSize: 8 },
		initial: { from: "bundled", modelSha256: "00" },
		machine: {
			threads: 1,
			device: "cpu",
			microBatch: 8,
			concurrency: 1,
			zk0: "0.1.0",
			node: "v20",
			platform: "linux x64",
			cpu: "?",
			cores: 2,
		},
	};
}
