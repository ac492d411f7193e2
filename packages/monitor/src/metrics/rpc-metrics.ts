// Calls of sites as a server sees them: how many, how they ended, how long and how large. Wraps routes, so every transport
// is measured alike.
import { type BodyHandler, type CallInfo, FlowerError, type Route, type Routes } from "@zk0/flower";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Seconds: from small calls on a local network to held pulls (20 s) and large objects on slow lines. */
const CALL_BUCKETS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** Registers the counters; the result gives the same routes, measured. `nowMs` is a monotonic clock. */
export function rpcMetrics(registry: Registry, nowMs: () => number): (routes: Routes) => Routes {
	const registers = [registry];
	const handled = new Counter({
		name: "zk0_rpc_server_handled_total",
		help: "Calls of sites that ended, by method and gRPC status.",
		labelNames: ["method", "code"] as const,
		registers,
	});
	const duration = new Histogram({
		name: "zk0_rpc_server_handling_seconds",
		help: "Time to handle a call; PullMessages is held for up to 20 s while there is no task.",
		labelNames: ["method"] as const,
		buckets: CALL_BUCKETS,
		registers,
	});
	const bytes = new Counter({
		name: "zk0_rpc_server_bytes_total",
		help: "Bytes of messages, without framing and TLS.",
		labelNames: ["method", "direction"] as const,
		registers,
	});
	const underWay = new Gauge({
		name: "zk0_rpc_server_in_flight",
		help: "Calls under way.",
		registers,
	});
	const observed = async <T>(method: string, work: () => Promise<T>): Promise<T> => {
		try {
			return await work();
		} catch (error) {
			handled.inc({ method, code: error instanceof FlowerError ? error.code : "unknown" });
			throw error;
		}
	};
	const measured = (method: string, route: Route): Route => ({
		open: (info: CallInfo) =>
			observed(method, async () => {
				const admitted = await route.open(info);
				const handle: BodyHandler = async (request, signal, reserve) => {
					const startMs = nowMs();
					underWay.inc();
					try {
						const answer = await observed(method, () => admitted.handle(request, signal, reserve));
						handled.inc({ method, code: "ok" });
						bytes.inc({ method, direction: "received" }, request.length);
						bytes.inc({ method, direction: "sent" }, answer.length);
						return answer;
					} finally {
						underWay.dec();
						duration.observe({ method }, (nowMs() - startMs) / 1000);
					}
				};
				return { ...admitted, handle };
			}),
	});
	return (routes) =>
		new Map([...routes].map(([path, route]) => [path, measured(path.split("/").at(-1) ?? path, route)]));
}
