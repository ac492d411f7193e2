// A server that is told to stop ends its runs, which let their tasks go. No site may take that for the end of its work: the
// next process waits for it again.
import { describe, expect, test } from "vitest";
import { startServer } from "./testing/server-harness.ts";
import { toyWeights } from "./testing/toy-app.ts";

const update = { kind: "update", numSamples: 5, metrics: {} } as const;
const stopped = { code: "unavailable", message: expect.stringContaining("shutting down") };

describe("a server that is stopping", () => {
	test("neither calls work unwanted nor refuses its result", async () => {
		const stopping = new AbortController();
		await using harness = await startServer(stopping.signal);
		const ann = await harness.join("ann");
		const task = await harness.task(ann, "ann");
		const reply = await ann.reply(task, update, toyWeights());
		const running = [task.instruction.id];
		expect(await ann.beat(running)).toEqual([]);
		stopping.abort();
		harness.grid.withdraw(["1/train/ann"]);
		await expect(ann.beat(running)).rejects.toMatchObject(stopped);
		await expect(ann.push(reply, task)).rejects.toMatchObject(stopped);
		await expect(ann.pull()).rejects.toMatchObject(stopped);
		expect(harness.offences).toEqual([]);
	});

	test("does not refuse what was on its way when it was told", async () => {
		const stopping = new AbortController();
		await using harness = await startServer(stopping.signal);
		const ann = await harness.join("ann");
		const task = await harness.task(ann, "ann");
		const reply = await ann.reply(task, update, toyWeights());
		const { grid } = harness;
		const announce = grid.announce.bind(grid);
		grid.announce = async (...about) => {
			stopping.abort();
			grid.withdraw(["1/train/ann"]);
			return await announce(...about);
		};
		await expect(ann.push(reply, task)).rejects.toMatchObject(stopped);
		expect(harness.offences).toEqual([]);
	});
});
