import { join } from "node:path";
import { encodeSafetensors, float32Array, type NamedArrays } from "@zk0/arrays";
import { writeSafetensorsFile } from "@zk0/arrays/node";
import {
	arrayRecord,
	type ConfigValue,
	configRecord,
	createNodeIdentity,
	type FlowerMessage,
	type FlowerRecord,
	flowerArray,
	memoryTransport,
	type RecordDict,
	toNdArray,
} from "@zk0/flower";
import {
	decodeEvaluateReply,
	decodeFitReply,
	decodeParametersReply,
	decodePropertiesReply,
	encodeLegacyQuery,
	encodeLegacyRequest,
} from "@zk0/flower/legacy";
import { expect, test } from "vitest";
import type { ClientEvent } from "../client.ts";
import type { ClientApp } from "../client-app.ts";
import { systemClock } from "../clock.ts";
import { type FakeSuperLink, fakeSuperLink } from "../testing/fake-superlink.ts";
import { temporaryDir, toyApp, toyWeights } from "../testing/toy-app.ts";
import { runSuperLinkClient } from "./client.ts";

interface Place extends AsyncDisposable {
	readonly superlink: FakeSuperLink;
	readonly events: ClientEvent[];
	readonly tasks: unknown[];
	/** Waits for an event. */
	readonly until: (found: (event: ClientEvent) => boolean) => Promise<void>;
}

async function start(options: { isOpen?: boolean; app?: Partial<ClientApp> } = {}): Promise<Place> {
	const dir = await temporaryDir();
	const clock = systemClock();
	const superlink = fakeSuperLink(clock);
	superlink.isOpen = options.isOpen ?? true;
	const initialWeightsPath = join(dir.path, "initial.safetensors");
	await writeSafetensorsFile(initialWeightsPath, toyWeights());
	const stopping = new AbortController();
	const events: ClientEvent[] = [];
	const tasks: unknown[] = [];
	const toy = toyApp("ann");
	const app: ClientApp = {
		...toy,
		train: (task, context) => {
			tasks.push(task);
			return toy.train(task, context);
		},
		...options.app,
	};
	const running = runSuperLinkClient({
		transport: memoryTransport(superlink.routes),
		identity: createNodeIdentity("prime256v1"),
		app,
		defaults: { seed: 7, numLocalSteps: 3, numRounds: 10, learning: { learningRate: 0.1 } },
		initialWeightsPath,
		dir: join(dir.path, "work"),
		clock,
		signal: stopping.signal,
		onEvent: (event) => events.push(event),
		pollMs: 2,
	});
	return {
		superlink,
		events,
		tasks,
		async until(found) {
			while (!events.some(found))
				await Promise.race([running, new Promise((resolve) => setTimeout(resolve, 2))]);
		},
		async [Symbol.asyncDispose]() {
			stopping.abort();
			await running;
			expect(superlink.node.isOnline).toBe(false);
			await dir[Symbol.asyncDispose]();
		},
	};
}

const arraysOf = (tensors: NamedArrays) =>
	arrayRecord([...tensors].map(([name, array]) => [name, flowerArray(array)]));
const request = (
	tensors: NamedArrays,
	config: readonly (readonly [string, ConfigValue])[] = [],
): RecordDict =>
	new Map<string, FlowerRecord>([
		["arrays", arraysOf(tensors)],
		["config", configRecord(config)],
	]);

function contentOf({ payload }: FlowerMessage): RecordDict {
	if (payload.kind === "error") throw new RangeError(payload.error.reason);
	return payload.content;
}

async function tensorsOf(record: FlowerRecord | undefined): Promise<NamedArrays> {
	if (record?.kind !== "arrays") throw new RangeError("no ArrayRecord");
	const entries = [...record.entries].map(async ([name, array]) => [name, await toNdArray(array)] as const);
	return new Map(await Promise.all(entries));
}

const sameTensors = (a: NamedArrays, b: NamedArrays): boolean =>
	Buffer.compare(Buffer.from(encodeSafetensors(a)), Buffer.from(encodeSafetensors(b))) === 0;

test("serves a strategy of the message API: start, train with what the message says, evaluate", async () => {
	await using place = await start();
	const { superlink, tasks } = place;
	const properties = contentOf(await superlink.ask("query", new Map())).get("properties");
	expect(properties?.kind === "config" ? properties.entries.get("software") : null).toBe("zk0");
	const first = contentOf(await superlink.ask("query.arrays", new Map()));
	expect(sameTensors(await tensorsOf(first.get("arrays")), toyWeights())).toBe(true);
	const config = [
		["server-round", 2n],
		["local-steps", 5n],
		["proximal-mu", 0.5],
	] as const;
	const trained = contentOf(await superlink.ask("train", request(toyWeights(), config)));
	expect(tasks[0]).toMatchObject({
		runId: "flower-12345678901234567890",
		round: 2,
		seed: 7,
		numLocalSteps: 5,
		globalStep: 5,
		totalSteps: 50,
		proximalMu: 0.5,
		learning: { learningRate: 0.1 },
	});
	const metrics = [...trained.values()].filter(({ kind }) => kind === "metrics");
	expect(metrics).toHaveLength(1);
	const update = await tensorsOf(trained.get("arrays"));
	expect([[...update.keys()], sameTensors(update, toyWeights())]).toEqual([["b", "w"], false]);
	const evaluated = contentOf(await superlink.ask("evaluate", request(update)));
	const values = evaluated.get("metrics");
	expect(values?.kind === "metrics" ? [...values.entries.keys()] : []).toEqual(
		expect.arrayContaining(["loss", "num-examples"]),
	);
	expect([...evaluated.values()].some(({ kind }) => kind === "arrays")).toBe(false);
	// Rounds that are not named are those of the group, or counted.
	await superlink.ask("train", request(toyWeights()), { groupId: "9" });
	await superlink.ask("train.default", request(toyWeights()));
	expect(tasks.slice(1)).toMatchObject([{ round: 9 }, { round: 10, numLocalSteps: 3 }]);
	// A list of arrays comes numbered; it is in the order of the names.
	const [b, w] = [toyWeights().get("b"), toyWeights().get("w")];
	if (b === undefined || w === undefined) throw new RangeError("toy weights");
	const listed = new Map([
		["0", b],
		["1", w],
	]);
	expect([
		...(await tensorsOf(contentOf(await superlink.ask("train", request(listed))).get("arrays"))).keys(),
	]).toEqual(["b", "w"]);
});

test("serves the older API of NumPyClient", async () => {
	await using place = await start();
	const { superlink, tasks } = place;
	const asked = encodeLegacyQuery("getproperties", new Map());
	const { properties, status } = decodePropertiesReply(
		contentOf(await superlink.ask("get_properties", asked)),
	);
	expect([properties.get("software"), status.code]).toEqual(["zk0", 0]);
	const wanted = encodeLegacyQuery("getparameters", new Map());
	const { parameters } = decodeParametersReply(contentOf(await superlink.ask("get_parameters", wanted)));
	expect(parameters).toHaveLength(2);
	const fit = encodeLegacyRequest("fit", { parameters, config: new Map([["server_round", 4n]]) });
	const reply = decodeFitReply(contentOf(await superlink.ask("train", fit)));
	expect(reply).toMatchObject({ status: { code: 0 }, numExamples: expect.any(Number) });
	expect(tasks[0]).toMatchObject({ round: 4, numLocalSteps: 3 });
	const evaluate = encodeLegacyRequest("evaluate", { parameters: reply.parameters, config: new Map() });
	const { loss } = decodeEvaluateReply(contentOf(await superlink.ask("evaluate", evaluate)));
	expect(loss).toBeGreaterThan(0);
});

test("says to the server what it does not do, and goes on", async () => {
	await using place = await start({
		app: {
			train: () => Promise.reject(new RangeError("no frames")),
			evaluate: () => Promise.resolve({ loss: null, numSamples: 0, metrics: {} }),
		},
	});
	const { superlink } = place;
	const good = request(toyWeights());
	const other = (name: string, shape: number[]): RecordDict =>
		request(
			new Map([
				[
					name,
					float32Array(
						shape,
						Array.from({ length: shape[0] ?? 0 }, () => 0),
					),
				],
			]),
		);
	const empty = new Map<string, FlowerRecord>();
	const refused: [string, RecordDict, string][] = [
		["train.special", good, 'type "train.special"'],
		["reconnect", empty, 'type "reconnect"'],
		["train", empty, "exactly one ArrayRecord"],
		["train", new Map([["secaggplus_configs", configRecord([])]]), "SecAgg+"],
		["train", request(toyWeights(), [["clipping_norm", 1]]), "differential privacy"],
		["train", request(toyWeights(), [["proximal-mu", "x"]]), "proximal-mu"],
		["train", other("v", [3]), "query.arrays"],
		["evaluate", other("w", [2]), "not those of this site's model"],
		["train", good, "RangeError: no frames"],
		["evaluate", good, "no held-out data"],
	];
	for (const [type, content, why] of refused) {
		const { payload, metadata } = await superlink.ask(type, content);
		expect(payload).toMatchObject({
			kind: "error",
			error: { code: 2, reason: expect.stringContaining(why) },
		});
		expect(metadata.messageType).toBe(type);
	}
});

test("waits until its key is registered, joins again when it is forgotten, and drops what a finished run asked", async () => {
	await using place = await start({ isOpen: false });
	const { superlink, events, until } = place;
	await until(({ kind }) => kind === "pending");
	expect(events[0]).toMatchObject({ message: expect.stringContaining("No SuperNode found") });
	superlink.node.isRegistered = true;
	await until(({ kind }) => kind === "online");
	superlink.forget();
	superlink.isOpen = true;
	await until(({ kind }) => kind === "retrying");
	await superlink.ask("query", new Map());
	expect(superlink.node.numActivations).toBe(2);
	const lost = superlink.ask("query", new Map());
	superlink.endRun();
	await until((event) => event.kind === "task-ended" && event.end.kind === "refused");
	await superlink.ask("query", new Map());
	expect(await Promise.race([lost, Promise.resolve("unanswered")])).toBe("unanswered");
});
