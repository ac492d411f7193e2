// What a scrape shows: numbers of the events and of the moment, nothing for what is not known, and bounded labels.
import { type BodyHandler, FlowerError, type Route } from "@zk0/flower";
import { expect, test } from "vitest";
import { observation, script } from "../testing/sample-run.ts";
import { applyToRun, type RunView } from "../view/run-view.ts";
import { OTHER_SITES, siteLabels } from "./event-metrics.ts";
import { createMetrics } from "./metrics.ts";

const alert = { rule: "site-lost", subject: "barn", severity: "critical", message: "", cure: "" } as const;

function counted() {
	const run = script();
	run.add({ kind: "round.evaluated", round: 0, loss: 1, perSite: {}, bytesUp: null, bytesDown: null });
	run.round(1, 0.5);
	run.add({
		kind: "update.rejected",
		round: 2,
		site: "barn",
		code: "not-finite",
		message: "",
		endsTask: true,
	});
	const metrics = createMetrics({ nowMs: () => 0, process: false });
	let view: RunView | null = null;
	for (const event of run.events) {
		const before = view;
		view = applyToRun(view, event);
		metrics.record(event, before, view);
	}
	return { run, view, metrics };
}

test("events are counted by site, outcome and phase, and the moment is told", async () => {
	const { view, metrics } = counted();
	metrics.delivered("failed");
	const alerts = [alert, { ...alert, subject: "attic" }];
	const text = await metrics.text({
		...observation(view),
		views: view === null ? [] : [view],
		alerts,
		version: "1.2.3",
	});
	for (const line of [
		'zk0_build_info{version="1.2.3"} 1',
		'zk0_site_updates_total{site="barn"} 1',
		'zk0_site_trained_samples_total{site="barn"} 80',
		'zk0_site_update_bytes_total{site="barn"} 1000',
		'zk0_site_updates_rejected_total{site="barn",code="not-finite"} 1',
		'zk0_site_update_refused{run="run-1",site="barn",code="not-finite"} 1',
		'zk0_rounds_total{outcome="aggregated"} 1',
		'zk0_round_phase_duration_seconds_sum{phase="train"} 8',
		'zk0_task_duration_seconds_count{phase="evaluate"} 3',
		'zk0_site_train_loss{run="run-1",site="attic"} 0.25',
		'zk0_site_local_held_out_loss{run="run-1",site="attic"} 0.3',
		'zk0_sites{state="online"} 3',
		'zk0_run_info{run="run-1",strategy="fedavg"} 1',
		'zk0_run_loss{run="run-1"} 0.5',
		'zk0_run_base_loss{run="run-1"} 1',
		'zk0_run_worse_rounds{run="run-1"} 0',
		'zk0_alerts_firing{rule="site-lost",severity="critical"} 2',
		'zk0_alert_deliveries_total{outcome="failed"} 1',
	])
		expect(text.split("\n")).toContain(line);
});

test("what is not known has no sample, and what was known leaves none behind", async () => {
	const { view, metrics } = counted();
	const full = { ...observation(view), views: view === null ? [] : [view], alerts: [], version: "1" };
	await metrics.text(full);
	const machine = { disk: null, certificateEndsMs: null, numConnections: 0 };
	const text = await metrics.text({ ...full, views: [], nodes: [], machine });
	for (const name of [
		"zk0_run_loss",
		"zk0_disk_free_bytes",
		"zk0_site_online",
		"zk0_run_info",
		"zk0_run_round",
	])
		expect(text).not.toMatch(new RegExp(`^${name}[ {]`, "m"));
	expect(text).toMatch(/^zk0_connections 0$/m);
});

test("an authority and its successor are told, and nothing of a successor that is not announced", async () => {
	const metrics = createMetrics({ nowMs: () => 0, process: false });
	const lines = async (changesMs: number | null): Promise<string[]> => {
		const authority = { endsMs: 9000, changesMs, missing: ["barn"] };
		const machine = { disk: null, certificateEndsMs: null, numConnections: 0, authority };
		const text = await metrics.text({ ...observation(null), machine, views: [], alerts: [], version: "1" });
		return text.split("\n").filter((line) => line.startsWith("zk0_authority_"));
	};
	expect(await lines(5000)).toEqual([
		"zk0_authority_expiry_timestamp_seconds 9",
		"zk0_authority_change_timestamp_seconds 5",
		"zk0_authority_uninformed_sites 1",
	]);
	expect(await lines(null)).toEqual(["zk0_authority_expiry_timestamp_seconds 9"]);
});

test("sites beyond the bound share a label", () => {
	const labelOf = siteLabels(2);
	expect(["a", "b", "c", "a", "d"].map(labelOf)).toEqual(["a", "b", OTHER_SITES, "a", OTHER_SITES]);
});

test("calls are counted by method and status, with their bytes and time", async () => {
	let nowMs = 0;
	const metrics = createMetrics({ nowMs: () => nowMs, process: false });
	const served = (handle: BodyHandler): Route => ({
		open: async () => ({ account: "a", isTrusted: true, maxRequestBytes: 9, answerBytes: 0, handle }),
	});
	const answering = served(async () => {
		nowMs += 300;
		return new Uint8Array(7);
	});
	const refusing: Route = {
		open: async () => {
			throw new FlowerError("unauthenticated", "no");
		},
	};
	const failing = served(async () => {
		throw new RangeError("a fault");
	});
	const routes = metrics.observeRoutes(
		new Map([
			["/flwr.proto.Fleet/PullObject", answering],
			["/flwr.proto.Fleet/PushObject", refusing],
			["/flwr.proto.Fleet/GetRun", failing],
		]),
	);
	const info = { method: "", headers: new Map(), peer: "" };
	const { signal } = new AbortController();
	const call = async (name: string) =>
		(await routes.get(`/flwr.proto.Fleet/${name}`)?.open(info))?.handle(new Uint8Array(5), signal, () =>
			Promise.resolve(),
		);
	expect(await call("PullObject")).toHaveLength(7);
	await expect(call("PushObject")).rejects.toThrow("no");
	await expect(call("GetRun")).rejects.toThrow("a fault");
	const text = await metrics.text({ ...observation(null), views: [], alerts: [], version: "1" });
	for (const line of [
		'zk0_rpc_server_handled_total{method="PullObject",code="ok"} 1',
		'zk0_rpc_server_handled_total{method="PushObject",code="unauthenticated"} 1',
		'zk0_rpc_server_handled_total{method="GetRun",code="unknown"} 1',
		'zk0_rpc_server_bytes_total{method="PullObject",direction="received"} 5',
		'zk0_rpc_server_bytes_total{method="PullObject",direction="sent"} 7',
		'zk0_rpc_server_handling_seconds_sum{method="PullObject"} 0.3',
		"zk0_rpc_server_in_flight 0",
	])
		expect(text.split("\n")).toContain(line);
});
