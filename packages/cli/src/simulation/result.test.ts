import { runPaths, summarizeRun } from "@zk0/records";
import { sampleEvents } from "@zk0/records/testing";
import { describe, expect, test } from "vitest";
import { simulationResult } from "./result.ts";

const context = { paths: runPaths("/runs", "r"), modelSha256: "ab", seconds: 12.5 };

describe("simulationResult", () => {
	test("has losses, samples and traffic of the whole run", () => {
		const run = summarizeRun(sampleEvents({ sites: ["kitchen", "lab"], numRounds: 3 }));
		const result = simulationResult(run, context);
		expect(result).toMatchObject({
			runId: "r",
			runDir: "/runs/r",
			rounds: 3,
			strategy: "fedprox",
			sites: 2,
			initialLoss: run.initialLoss,
			finalLoss: run.finalLoss,
			checkpoint: "/runs/r/checkpoints/round_3/global",
			modelSha256: "ab",
			seconds: 12.5,
		});
		expect(result.perSite.map(({ samples }) => samples)).toEqual([960, 960]);
	});

	test("what is not known is null, not zero", () => {
		const events = sampleEvents({ sites: ["kitchen"], numRounds: 1 }).filter(
			({ kind }) => !["update.received", "site.evaluated", "round.evaluated"].includes(kind),
		);
		expect(simulationResult(summarizeRun(events), context)).toMatchObject({
			initialLoss: null,
			finalLoss: null,
			bytesUp: null,
			perSite: [{ site: "kitchen", initialLoss: null, finalLoss: null, samples: null }],
		});
	});
});
