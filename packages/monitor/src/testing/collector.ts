// An OpenTelemetry collector that keeps what it gets, for tests: OTLP over HTTP in JSON.
import { once } from "node:events";
import { createServer } from "node:http";
import { z } from "zod";

const attributes = z
	.array(
		z.object({
			key: z.string(),
			value: z.object({
				stringValue: z.string().optional(),
				intValue: z.union([z.string(), z.number()]).optional(),
				doubleValue: z.number().optional(),
			}),
		}),
	)
	.transform((list) =>
		Object.fromEntries(
			list.map(({ key, value }) => [
				key,
				value.stringValue ?? Number(value.intValue ?? value.doubleValue ?? Number.NaN),
			]),
		),
	);
const spanSchema = z.object({
	traceId: z.string(),
	spanId: z.string(),
	parentSpanId: z.string().default(""),
	name: z.string(),
	startTimeUnixNano: z.string(),
	endTimeUnixNano: z.string(),
	attributes,
	links: z.array(z.object({ traceId: z.string(), spanId: z.string() })).default([]),
	status: z.object({ code: z.int().default(0), message: z.string().default("") }),
});
const requestSchema = z.object({
	resourceSpans: z.array(
		z.object({
			resource: z.object({ attributes }),
			scopeSpans: z.array(z.object({ spans: z.array(spanSchema) })),
		}),
	),
});

/** A span as it arrived, with the attributes of the process that sent it. */
export type CollectedSpan = z.infer<typeof spanSchema> & {
	readonly resource: Readonly<Record<string, string | number>>;
};

/** A collector that listens. */
export interface Collector extends AsyncDisposable {
	/** For OTEL_EXPORTER_OTLP_ENDPOINT. */
	readonly endpoint: string;
	readonly spans: readonly CollectedSpan[];
	/** Everything that came, as it came. */
	readonly bodies: readonly string[];
}

/** Starts one on a loopback port. */
export async function startCollector(): Promise<Collector> {
	const spans: CollectedSpan[] = [];
	const bodies: string[] = [];
	const server = createServer((request, response) => {
		const parts: Buffer[] = [];
		request.on("data", (part: Buffer) => parts.push(part));
		request.on("end", () => {
			const body = Buffer.concat(parts).toString("utf8");
			const isTraces = request.method === "POST" && request.url === "/v1/traces";
			if (isTraces) {
				bodies.push(body);
				for (const { resource, scopeSpans } of requestSchema.parse(JSON.parse(body)).resourceSpans)
					for (const scope of scopeSpans)
						for (const span of scope.spans) spans.push({ ...span, resource: resource.attributes });
			}
			response.writeHead(isTraces ? 200 : 404, { "content-type": "application/json" }).end("{}");
		});
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	const port = typeof address === "object" ? (address?.port ?? 0) : 0;
	return {
		endpoint: `http://127.0.0.1:${port}`,
		spans,
		bodies,
		async [Symbol.asyncDispose]() {
			server.closeAllConnections();
			server.close();
			await once(server, "close");
		},
	};
}
