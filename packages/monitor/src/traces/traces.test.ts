// Spans folded from events: their parents, times and ends, the same after a restart; and their way to a collector.
import type { ClientEvent } from "@zk0/federation";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { startCollector } from "../testing/collector.ts";
import { script } from "../testing/sample-run.ts";
import { parseTraceparent, roundTrace, runTrace, type Span, taskSpanId } from "./span.ts";
import { openTraceExport, traceClient, traceparentOf, traceRun } from "./traces.ts";

/** A round that fails at a site, one that is closed, and the end. */
const run = script(["attic", "barn"])
	.add({ kind: "task.sent", round: 0, phase: "evaluate", site: "barn" })
	.add({ kind: "site.evaluated", round: 0, site: "barn", loss: 1, numSamples: 10, metrics: {} })
	.add({ kind: "round.evaluated", round: 0, loss: 1, perSite: {}, bytesUp: null, bytesDown: null })
	.round(1, 0.5)
	.add({ kind: "round.started", round: 2, attempt: 1, sites: ["attic", "barn"], proximalMu: 0 })
	.add({ kind: "task.sent", round: 2, phase: "train", site: "attic" })
	.add({ kind: "task.sent", round: 2, phase: "train", site: "barn" })
	.add({
		kind: "site.failed",
		round: 2,
		phase: "train",
		site: "attic",
		code: "client-app",
		message: "/secret",
	})
	.add({
		kind: "round.closed",
		round: 2,
		phase: "train",
		reason: "deadline",
		numReceived: 0,
		without: ["barn"],
	})
	.add({ kind: "round.started", round: 2, attempt: 2, sites: ["barn"], proximalMu: 0 })
	.add({ kind: "task.sent", round: 2, phase: "train", site: "barn" })
	.add({ kind: "run.failed", code: "too-few-updates", message: "/secret" });

function spansOf(cut: number): Span[] {
	const spans: Span[] = [];
	const before = traceRun("run-1", (span) => spans.push(span));
	for (const event of run.events.slice(0, cut)) before.record(event);
	// A new process reads the log and goes on.
	const after = traceRun("run-1", (span) => spans.push(span));
	after.replay(run.events.slice(0, cut));
	for (const event of run.events.slice(cut)) after.record(event);
	return spans;
}

describe("the spans of a run", () => {
	const spans = spansOf(0);

	test("each task lies in its round, each round is linked to the run, and ends say why", () => {
		const names = spans.map(({ name, attributes, error }) =>
			[attributes["zk0.round"], name, attributes["zk0.site"], error].filter((part) => part != null).join(" "),
		);
		expect(names).toEqual([
			"0 task evaluate barn",
			"0 round",
			"1 task train attic",
			"1 task train barn",
			"1 aggregate",
			"1 task evaluate attic",
			"1 task evaluate barn",
			"1 round",
			"2 task train attic client-app",
			"2 task train barn not waited for: deadline",
			"2 task train barn too-few-updates",
			"2 round too-few-updates",
			"run too-few-updates",
		]);
		for (const { name, traceId, parentId, attributes, link } of spans) {
			expect(attributes["zk0.run"]).toBe("run-1");
			const round = Number(attributes["zk0.round"] ?? -1);
			const own = name === "run" ? runTrace("run-1") : roundTrace("run-1", round);
			expect(traceId).toBe(own.traceId);
			expect(parentId).toBe(name === "run" || name === "round" ? null : own.spanId);
			expect(link).toEqual(name === "round" ? runTrace("run-1") : null);
		}
		expect(new Set(spans.map(({ spanId }) => spanId ?? Symbol("any"))).size).toBe(spans.length);
		expect(JSON.stringify(spans)).not.toContain("secret");
		const [first] = spans;
		expect((first?.endMs ?? 0) - (first?.startMs ?? 0)).toBe(1000);
	});

	test("whenever the server is restarted, the same spans come, those of the last rounds twice", () => {
		const byId = (all: readonly Span[]) => new Map(all.map((span) => [span.spanId, span]));
		for (let cut = 0; cut <= run.events.length; cut++) {
			const found = spansOf(cut);
			expect(byId(found)).toEqual(byId(spans));
			const rounds = found.map(({ spanId, attributes }) => ({ spanId, round: attributes["zk0.round"] }));
			const again = rounds.filter(
				({ spanId }, index) => rounds.findIndex((one) => one.spanId === spanId) < index,
			);
			expect(new Set(again.map(({ round }) => round)).size).toBeLessThanOrEqual(2);
		}
	});
});

describe("a client's spans", () => {
	const about = { runId: "run-1", round: 2, phase: "train" as const };
	const parent = { ...about, site: "barn", attempt: 1 };
	const follow = (traceparent: string | null, ends: readonly ClientEvent[]) => {
		const spans: Span[] = [];
		let nowMs = 0;
		const trace = traceClient(
			"barn",
			(span) => spans.push(span),
			() => (nowMs += 100),
		);
		const steps = (["pull", "work", "upload"] as const).map((step) => ({ kind: "task-step" as const, step }));
		for (const event of [{ kind: "task" as const, ...about, traceparent }, ...steps, ...ends]) trace(event);
		return spans;
	};

	test("lie below the server's span of the task", () => {
		const end: ClientEvent = { kind: "task-ended", end: { kind: "delivered", result: "update" } };
		const spans = follow(traceparentOf(parent), [end]);
		expect(spans.map(({ name }) => name)).toEqual(["pull", "train", "upload"]);
		for (const { traceId, parentId, isRemote, error, attributes } of spans) {
			expect([traceId, parentId]).toEqual([roundTrace("run-1", 2).traceId, taskSpanId(parent)]);
			expect([isRemote, error, attributes["zk0.site"]]).toEqual([true, null, "barn"]);
		}
	});

	test("end with a code, and are not made for tasks without a trace", () => {
		const refusal = { code: "late", reason: "too late" };
		const refused: ClientEvent = {
			kind: "task-ended",
			end: { kind: "refused", refusal, kept: { kind: "dropped" } },
		};
		expect(follow(traceparentOf(parent), [refused]).at(-1)?.error).toBe("late");
		expect(follow(null, [refused])).toEqual([]);
	});

	test("a traceparent is what it says or nothing", () => {
		fc.assert(fc.property(fc.string(), (text) => parseTraceparent(text) === null));
		expect(parseTraceparent(`00-${"0".repeat(32)}-${"1".repeat(16)}-01`)).toBeNull();
		expect(parseTraceparent(traceparentOf(parent))?.spanId).toBe(taskSpanId(parent));
	});
});

describe("the way to the collector", () => {
	const open = (env: Record<string, string>, faults: string[] = [], timeoutMs = 30_000) =>
		openTraceExport(env, {
			service: "zk0-test",
			version: "1",
			onFault: (text) => faults.push(text),
			intervalMs: 10,
			timeoutMs,
		});

	test("spans arrive with their ids, parents, links and ends", async () => {
		await using collector = await startCollector();
		const traces = await open({
			OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
			OTEL_SERVICE_NAME: "kitchen",
		});
		const spans = spansOf(0);
		for (const span of spans) traces?.emit(span);
		await traces?.[Symbol.asyncDispose]();
		const found = collector.spans.map(({ traceId, spanId, parentSpanId, name, status, links }) => ({
			traceId,
			spanId,
			parentId: parentSpanId === "" ? null : parentSpanId,
			name,
			error: status.code === 2 ? status.message : null,
			link: links[0] === undefined ? null : { traceId: links[0].traceId, spanId: links[0].spanId },
		}));
		expect(found).toEqual(
			spans.map(({ traceId, spanId, parentId, name, error, link }) => ({
				traceId,
				spanId,
				parentId,
				name,
				error,
				link,
			})),
		);
		expect(collector.spans[0]).toMatchObject({
			attributes: { "zk0.run": "run-1", "zk0.round": 0, "zk0.site": "barn", "zk0.loss": 1 },
			resource: { "service.name": "kitchen", "service.version": "1" },
			startTimeUnixNano: `${spans[0]?.startMs}000000`,
		});
	});

	test("nothing is opened unless the environment asks for it", async () => {
		const endpoint = "http://127.0.0.1:1";
		const faults: string[] = [];
		for (const env of [
			{},
			{ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: "true" },
			{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint, OTEL_TRACES_EXPORTER: "none" },
		])
			expect(await open(env, faults)).toBeNull();
		expect(faults).toEqual([]);
		expect(await open({ OTEL_TRACES_EXPORTER: "zipkin" }, faults)).toBeNull();
		expect(await open({ OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" }, faults)).toBeNull();
		expect(faults).toEqual([expect.stringContaining("zipkin"), expect.stringContaining("no http address")]);
	});

	test("a collector that is away is told of, and ends nothing", async () => {
		const faults: string[] = [];
		const traces = await open(
			{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://127.0.0.1:1/v1/traces" },
			faults,
			300,
		);
		for (const span of spansOf(0).slice(0, 1)) traces?.emit(span);
		const startMs = performance.now();
		await traces?.[Symbol.asyncDispose]();
		expect(performance.now() - startMs).toBeLessThan(15_000);
		expect(faults.join()).toMatch(/traces: /);
	});
});
