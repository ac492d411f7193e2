// An update file that cannot be read is the app's failure, not the end of the client.
import { writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import type { ClientApp } from "./client-app.ts";
import type { RoundEvent } from "./events.ts";
import { temporaryDir, toyApp } from "./testing/toy-app.ts";
import { ofKind, SITES, simulateToy } from "./testing/toy-run.ts";

test("an update that is no safetensors file is its site's failure, and the site goes on", async () => {
	const spoilsRound1 = (site: string): ClientApp => ({
		...toyApp(site),
		async train(task, context) {
			const trained = await toyApp(site).train(task, context);
			if (task.round === 1) await writeFile(trained.weightsPath, "no tensors");
			return trained;
		},
	});
	const sites = SITES.map((site) => ({ site, app: site === "ann" ? spoilsRound1(site) : toyApp(site) }));
	await using dir = await temporaryDir();
	const events: RoundEvent[] = [];
	for await (const event of simulateToy(dir.path, { sites, numRounds: 2 })) events.push(event);
	expect(ofKind(events, "site.failed")).toMatchObject([
		{ site: "ann", round: 1, phase: "train", code: "client-app" },
	]);
	expect(ofKind(events, "round.accepted").map(({ updates }) => updates.length)).toEqual([3, 4]);
});
