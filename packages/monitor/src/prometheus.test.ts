// Rules, dashboard and metrics against each other: every query names a metric that a server shows. Where Debian's
// `prometheus` is installed, its own promtool checks rules and metrics, and a real Prometheus scrapes them.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { manualClock } from "@zk0/federation";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { ALERT_RULES, type AlertRule } from "./alerts/alert.ts";
import { METRICS_CONTENT_TYPE } from "./metrics/metrics.ts";
import { type Monitor, startMonitor } from "./monitor.ts";
import { START_MS, script } from "./testing/sample-run.ts";

const DEPLOY = fileURLToPath(new URL("../../../deploy/", import.meta.url));
const RULES = join(DEPLOY, "prometheus", "rules.yml");
const RULE_TESTS = join(DEPLOY, "prometheus", "rules.test.yml");
/** What says the same for Prometheus. */
const IN_PROMETHEUS: Readonly<Record<AlertRule, readonly string[]>> = {
	"site-lost": ["Zk0SiteLost"],
	"round-stuck": ["Zk0RoundStuck"],
	"run-failed": ["Zk0RunFailed"],
	"loss-diverging": ["Zk0LossDiverging", "Zk0LossWorsening"],
	"update-not-finite": ["Zk0UpdateNotFinite"],
	"update-refused": ["Zk0UpdateRefused"],
	"update-unusual": ["Zk0UpdateUnusual"],
	"disk-low": ["Zk0DiskLow"],
	"certificate-expiring": ["Zk0CertificateExpiring"],
	"authority-ending": ["Zk0AuthorityEnding", "Zk0AuthorityUnheard"],
};
const MISSING = "Debian's prometheus is not installed (apt-get install prometheus)";
const isThere = existsSync("/usr/bin/promtool") && existsSync("/usr/bin/prometheus");

const rulesSchema = z.object({
	groups: z.array(
		z.object({
			rules: z.array(
				z.object({
					alert: z.string(),
					expr: z.string(),
					annotations: z.object({ summary: z.string().min(1), cure: z.string().min(1) }),
				}),
			),
		}),
	),
});
const ruleTestsSchema = z.object({
	tests: z.array(
		z.object({
			alert_rule_test: z.array(
				z.object({
					alertname: z.string(),
					eval_time: z.string().regex(/^\d+m$/),
					exp_alerts: z.array(z.unknown()),
				}),
			),
		}),
	),
});
const dashboardSchema = z.object({
	panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })) })),
});

let monitor: Monitor;
beforeAll(() => {
	const run = script();
	run.add({ kind: "round.evaluated", round: 0, loss: 1, perSite: {}, bytesUp: null, bytesDown: null });
	monitor = startMonitor({
		clock: manualClock(START_MS + 60_000),
		monotonicMs: () => 0,
		version: "1",
		nodes: () => [
			{ site: 'odd"name\\', state: "approved", isOnline: true, lastSeenMs: START_MS, numSamples: 3 },
		],
		machine: async () => ({
			disk: { freeBytes: 1, totalBytes: 2 },
			certificateEndsMs: START_MS,
			numConnections: 1,
		}),
		runs: () => ({ running: 1 }),
		onAlert: () => undefined,
		onFault: () => undefined,
	});
	for (const event of run.round(1, 0.5).events) monitor.record("run-1", event);
});
afterAll(async () => {
	await monitor[Symbol.asyncDispose]();
});

/** Metric names in a query: words that are followed by neither `(` nor a label's operator, minus PromQL's own. */
function metricsOf(query: string): string[] {
	const bare = query.replace(/"[^"]*"/g, "").replace(/\{[^}]*\}/g, "");
	return bare.match(/\b(?:zk0|process|nodejs)_[a-z0-9_]+\b/g) ?? [];
}

/** A histogram's series end in _sum, _count and _bucket. */
function isKnown(name: string, known: ReadonlySet<string>): boolean {
	return known.has(name) || known.has(name.replace(/_(?:sum|count|bucket)$/, ""));
}

test("every query of rules and dashboard names metrics that a server shows", () => {
	const known = new Set(monitor.metricNames());
	const { groups } = rulesSchema.parse(parse(readFileSync(RULES, "utf8")));
	const { panels } = dashboardSchema.parse(
		JSON.parse(readFileSync(join(DEPLOY, "grafana", "dashboards", "zk0.json"), "utf8")),
	);
	const queries = [
		...groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => [alert, expr] as const)),
		...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
	];
	expect(queries.length).toBeGreaterThan(40);
	const unknown = queries
		.filter(([, query]) => !query.includes("up{"))
		.flatMap(([where, query]) => {
			const names = metricsOf(query);
			if (names.length === 0) return [`${where}: no metric`];
			return names.filter((name) => !isKnown(name, known)).map((name) => `${where}: ${name}`);
		});
	expect(unknown).toEqual([]);
});

test("every built-in alert has its rules for Prometheus, and a row in the manual", () => {
	const { groups } = rulesSchema.parse(parse(readFileSync(RULES, "utf8")));
	const there = groups.flatMap(({ rules }) => rules.map(({ alert }) => alert));
	// A server that is gone cannot say so itself.
	expect(there.toSorted()).toEqual([...Object.values(IN_PROMETHEUS).flat(), "Zk0ServerDown"].toSorted());
	const manual = readFileSync(join(DEPLOY, "..", "docs", "operations.md"), "utf8");
	expect(ALERT_RULES.filter((rule) => !manual.includes(`| \`${rule}\` |`))).toEqual([]);
});

test("every rule for Prometheus has a test in which it fires and then stops", () => {
	const { groups } = rulesSchema.parse(parse(readFileSync(RULES, "utf8")));
	const { tests } = ruleTestsSchema.parse(parse(readFileSync(RULE_TESTS, "utf8")));
	const firesAndStops = (name: string): boolean =>
		tests.some(({ alert_rule_test: all }) => {
			const own = all
				.filter(({ alertname }) => alertname === name)
				.toSorted((a, b) => Number.parseInt(a.eval_time, 10) - Number.parseInt(b.eval_time, 10));
			const fires = own.findIndex(({ exp_alerts }) => exp_alerts.length > 0);
			return fires >= 0 && own.slice(fires).some(({ exp_alerts }) => exp_alerts.length === 0);
		});
	const alerts = groups.flatMap(({ rules }) => rules.map(({ alert }) => alert));
	expect([...alerts, "Zk0NoSuchRule"].filter((name) => !firesAndStops(name))).toEqual(["Zk0NoSuchRule"]);
});

describe.skipIf(!isThere)(`with a real Prometheus (skipped when ${MISSING})`, () => {
	const promtool = (args: readonly string[], input = "") => {
		const { status, stdout, stderr } = spawnSync("/usr/bin/promtool", args, { encoding: "utf8", input });
		return { status, text: stdout + stderr };
	};

	test("promtool accepts the rules, and they fire and stop", () => {
		expect(promtool(["check", "rules", RULES])).toMatchObject({ status: 0 });
		expect(promtool(["test", "rules", RULE_TESTS])).toMatchObject({ status: 0 });
	});

	test("promtool finds nothing to say about the metrics", async () => {
		// Lints of Node's own metrics (nodejs_*_total as gauges) are prom-client's.
		const text = (await monitor.metricsText()).split("\n\n").filter((block) => block.includes("zk0_"));
		expect(promtool(["check", "metrics"], `${text.join("\n")}\n`)).toEqual({ status: 0, text: "" });
	});

	test("Prometheus scrapes with a token, parses everything, and answers a query", async () => {
		const dir = await mkdtemp(join(tmpdir(), "zk0-prometheus-"));
		const seen: (string | undefined)[] = [];
		const server = createServer((request, response) => {
			seen.push(request.headers.authorization);
			monitor.metricsText().then(
				(text) => response.writeHead(200, { "content-type": METRICS_CONTENT_TYPE }).end(text),
				() => response.destroy(),
			);
		});
		const port = await listen(server);
		const [own] = await Promise.all([freePort(), writeFile(join(dir, "token"), "T0KEN")]);
		await writeFile(
			join(dir, "prometheus.yml"),
			JSON.stringify({
				global: { scrape_interval: "200ms" },
				rule_files: [RULES],
				scrape_configs: [
					{
						job_name: "zk0",
						authorization: { credentials_file: join(dir, "token") },
						static_configs: [{ targets: [`127.0.0.1:${port}`] }],
					},
				],
			}),
		);
		const child = spawn(
			"/usr/bin/prometheus",
			[
				`--config.file=${dir}/prometheus.yml`,
				`--storage.tsdb.path=${dir}/data`,
				`--web.listen-address=127.0.0.1:${own}`,
			],
			{ stdio: "ignore" },
		);
		try {
			const query = 'zk0_site_online{site="odd\\"name\\\\"}';
			await expect
				.poll(() => ask(own, `query?query=${encodeURIComponent(query)}`), { timeout: 30_000, interval: 200 })
				.toContain('"1"]');
			expect(await ask(own, `query?query=${encodeURIComponent("up")}`)).toContain('"1"]');
			expect(new Set(seen)).toEqual(new Set(["Bearer T0KEN"]));
		} finally {
			child.kill();
			await new Promise((resolve) => child.once("exit", resolve));
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
			await rm(dir, { recursive: true, force: true });
		}
	});
});

async function ask(port: number, what: string): Promise<string> {
	try {
		return await (await fetch(`http://127.0.0.1:${port}/api/v1/${what}`)).text();
	} catch {
		return "not up yet";
	}
}

function listen(server: ReturnType<typeof createServer>): Promise<number> {
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen(0, "127.0.0.1", () => {
			const address = server.address();
			resolve(typeof address === "object" && address !== null ? address.port : 0);
		});
	});
}

async function freePort(): Promise<number> {
	const server = createServer();
	const port = await listen(server);
	await new Promise((resolve) => server.close(resolve));
	return port;
}
