// Where a step's time goes: ONNX Runtime's own profile, summed by kind of operator.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Figures, Stage } from "./stages.ts";

const NUM_STEPS = 3;

const profileSchema = z.array(
	z.object({
		cat: z.string(),
		name: z.string(),
		dur: z.number(),
		ts: z.number(),
		args: z.object({ op_name: z.string().optional() }).optional(),
	}),
);

/** Kinds of operators; what is in none is arithmetic on elements. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
	productsMs: ["Gemm"],
	attentionProductsMs: ["MatMul", "FusedMatMul"],
	movesMs: ["Transpose", "Concat", "Split", "Slice", "Pad", "Expand", "Gather", "Reshape"],
};

/**
 * Milliseconds of one step by kind, over steps after the first: `productsMs` (linear layers), `attentionProductsMs`,
 * `movesMs` (transposed, joined, cut), `elementsMs` (norms, activations, softmax, sums), `betweenMs` (in the session,
 * but in no operator) and `optimizerMs` (outside the session: clipping, AdamW, passing the batch).
 */
export async function breakDown(make: (profilePrefix: string) => Promise<Stage>): Promise<Figures> {
	const folder = await mkdtemp(join(tmpdir(), "zk0-profile-"));
	try {
		let totalMs = 0;
		{
			await using stage = await make(join(folder, "step"));
			for (let step = 0; step <= NUM_STEPS; step++) {
				const { ms = 0 } = await stage.run();
				if (step > 0) totalMs += ms / NUM_STEPS;
			}
		}
		const [file = ""] = await readdir(folder);
		const events = profileSchema.parse(JSON.parse(await readFile(join(folder, file), "utf8")));
		return { ...sumByKind(events, totalMs), stepMs: totalMs };
	} finally {
		await rm(folder, { recursive: true });
	}
}

function sumByKind(events: z.infer<typeof profileSchema>, totalMs: number): Figures {
	const runs = events.filter(({ name }) => name === "model_run").sort((a, b) => a.ts - b.ts);
	const measured = runs.slice(1);
	const startUs = measured[0]?.ts ?? Number.POSITIVE_INFINITY;
	const sums: Record<string, number> = { elementsMs: 0 };
	for (const { cat, name, ts, dur, args } of events) {
		if (cat !== "Node" || !name.endsWith("_kernel_time") || ts < startUs) continue;
		const kind = Object.keys(KINDS).find((key) => KINDS[key]?.includes(args?.op_name ?? "")) ?? "elementsMs";
		sums[kind] = (sums[kind] ?? 0) + dur / 1000 / measured.length;
	}
	const inOperators = Object.values(sums).reduce((sum, ms) => sum + ms, 0);
	const inSession = measured.reduce((sum, { dur }) => sum + dur / 1000 / measured.length, 0);
	return { ...sums, betweenMs: inSession - inOperators, optimizerMs: totalMs - inSession };
}
