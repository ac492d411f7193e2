// config.json of a run: the complete configuration and every choice that was made automatically, enough to resume
// the run and to repeat it elsewhere.
import { readFile } from "node:fs/promises";
import { writeFileAtomic } from "@zk0/arrays/node";
import { z } from "zod";
import { RecordsError } from "../errors.ts";

const site = z.strictObject({
	name: z.string(),
	/** As given, or as chosen for a simulated site. */
	uri: z.string(),
	/** Where the dataset lay when the run began. */
	dataset: z.string(),
	/** Names the content of the data: a resumed run refuses other data. */
	fingerprint: z.string(),
	/** Policy camera of each dataset camera. */
	cameras: z.record(z.string(), z.string()),
});

/** Schema of {@link RunRecord}. */
export const runRecordSchema = z.strictObject({
	format: z.literal("zk0-run-1"),
	runId: z.string(),
	createdAt: z.iso.datetime(),
	/** Settings, as `zk0 simulate` resolved them; keys that were left open are null. */
	config: z.record(z.string(), z.json()),
	/** flag, file or preset for each setting. */
	sources: z.record(z.string(), z.enum(["flag", "variable", "file", "preset"])),
	sites: z.array(site),
	/** One site's training without a federation (`zk0 train`); absent for a federated run. */
	training: z
		.strictObject({
			steps: z.int(),
			/** Steps between two checkpoints. */
			saveFreq: z.int(),
			/** Checkpoints that are kept. */
			keepCheckpoints: z.int(),
		})
		.optional(),
	/** What the run does so that single recordings leave less trace, and no more than that. */
	privacy: z.enum(["none", "clipped"]).default("none"),
	/** Hyper-parameters of local training as every site gets them. */
	learning: z.record(z.string(), z.json()),
	/** The model that the run started from. */
	initial: z.strictObject({ from: z.string(), modelSha256: z.string() }),
	/** Where it ran, and what was chosen for that machine before the first step. A resumed run keeps it. */
	machine: z.strictObject({
		threads: z.int(),
		device: z.enum(["cpu", "webgpu", "cuda"]),
		/** Samples of one pass through the graph; null: the whole batch. */
		microBatch: z.int().nullable().default(null),
		/** Estimated before the first step, in bytes. */
		memory: z
			.strictObject({
				frozenBytes: z.int(),
				trainedBytes: z.int(),
				activationBytes: z.int(),
				otherBytes: z.int(),
				totalBytes: z.int(),
				availableBytes: z.int().nullable(),
			})
			.optional(),
		concurrency: z.int(),
		zk0: z.string(),
		node: z.string(),
		platform: z.string(),
		cpu: z.string(),
		cores: z.int(),
	}),
});

/** What config.json holds. */
export type RunRecord = z.infer<typeof runRecordSchema>;

/** Writes config.json whole or not at all. */
export async function writeRunRecord(path: string, record: RunRecord): Promise<void> {
	await writeFileAtomic(path, `${JSON.stringify(runRecordSchema.parse(record), undefined, "\t")}\n`);
}

/** Reads config.json. @throws RecordsError "run-damaged" when it is missing or not what this version writes. */
export async function readRunRecord(path: string): Promise<RunRecord> {
	try {
		return runRecordSchema.parse(JSON.parse(await readFile(path, "utf8")));
	} catch (cause) {
		throw new RecordsError(
			"run-damaged",
			`${path} is not the configuration of a run, which cannot be read without it; start a new one`,
			{ cause },
		);
	}
}

/** Demands a run that has rounds. @throws RecordsError "no-rounds" for a training of one site */
export function requireRounds({ runId, training }: RunRecord): void {
	if (training === undefined) return;
	throw new RecordsError(
		"no-rounds",
		`${runId} is a training of one site (zk0 train), which has no rounds; its model lies in its folder checkpoint`,
	);
}
