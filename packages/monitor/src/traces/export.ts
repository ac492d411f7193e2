// Sends spans to an OpenTelemetry collector, as the standard's environment variables say. Without them nothing is loaded and
// nothing is sent.
import type { Span, SpanSink } from "./span.ts";

/** Where spans go until it is disposed; disposing sends what is left, for at most some seconds. */
export interface TraceExport extends AsyncDisposable {
	readonly emit: SpanSink;
}

/** Who sends. */
export interface TraceExportOptions {
	/** Unless OTEL_SERVICE_NAME says otherwise. */
	readonly service: string;
	readonly version: string;
	/** Is told what keeps spans from the collector. */
	readonly onFault: (message: string) => void;
	/** Pause between two deliveries; default 2000. */
	readonly intervalMs?: number;
	/** Longest delivery; default 5000. */
	readonly timeoutMs?: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Opens the way to the collector; null when the environment names none. Read are OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER,
 * OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES here, and headers,
 * compression and certificates by OpenTelemetry's exporter.
 */
export async function openTraceExport(
	env: Environment,
	options: TraceExportOptions,
): Promise<TraceExport | null> {
	const url = collectorUrl(env, options.onFault);
	return url === null ? null : await load(url, env, options);
}

/** Where spans go; null: nowhere. */
function collectorUrl(env: Environment, onFault: (message: string) => void): string | null {
	if (env["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return null;
	const endpoint = env["OTEL_EXPORTER_OTLP_ENDPOINT"] ?? "";
	const traces = env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] ?? "";
	const exporter = env["OTEL_TRACES_EXPORTER"] ?? "";
	if (exporter === "none") return null;
	if (exporter !== "" && exporter !== "otlp") {
		onFault(`OTEL_TRACES_EXPORTER=${exporter} is not served, only otlp and none; nothing is traced`);
		return null;
	}
	const text = traces === "" ? endpoint : traces;
	if (text === "") return exporter === "otlp" ? "http://localhost:4318/v1/traces" : null;
	if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
		onFault(`the OTLP endpoint "${text}" is no http address; nothing is traced`);
		return null;
	}
	return traces === "" ? `${endpoint.replace(/\/$/, "")}/v1/traces` : traces;
}

async function load(
	url: string,
	env: Environment,
	{ service, version, onFault, intervalMs = 2000, timeoutMs = 5000 }: TraceExportOptions,
): Promise<TraceExport> {
	const [api, exporting, resources, sdk] = await Promise.all([
		import("@opentelemetry/api"),
		import("@opentelemetry/exporter-trace-otlp-http"),
		import("@opentelemetry/resources"),
		import("@opentelemetry/sdk-trace"),
	]);
	const quiet = (): void => undefined;
	const tell = (message: string): void => onFault(`traces: ${message}`);
	api.diag.setLogger(
		{ error: tell, warn: tell, info: quiet, debug: quiet, verbose: quiet },
		{ logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true },
	);
	const name = env["OTEL_SERVICE_NAME"] ?? "";
	const resource = resources
		.resourceFromAttributes({ "service.name": service, "service.version": version })
		.merge(resources.detectResources({ detectors: [resources.envDetector] }))
		.merge(resources.resourceFromAttributes(name === "" ? {} : { "service.name": name }));
	const exporter = new exporting.OTLPTraceExporter({ url, timeoutMillis: timeoutMs });
	const processor = new sdk.BatchSpanProcessor({
		exporter,
		scheduledDelayMillis: intervalMs,
		exportTimeoutMillis: timeoutMs,
	});
	const random = new sdk.RandomIdGenerator();
	/** Ids of the span that is made next. */
	let next: Pick<Span, "traceId" | "spanId"> | null = null;
	const provider = new sdk.TracerProvider({
		resource,
		sampler: new sdk.AlwaysOnSampler(),
		spanProcessors: [processor],
		idGenerator: {
			generateTraceId: () => next?.traceId ?? random.generateTraceId(),
			generateSpanId: () => next?.spanId ?? random.generateSpanId(),
		},
	});
	const tracer = provider.getTracer("zk0", version);
	return {
		emit(span) {
			const { traceId, parentId: spanId, isRemote, link, attributes } = span;
			const context =
				spanId === null
					? api.ROOT_CONTEXT
					: api.trace.setSpanContext(api.ROOT_CONTEXT, {
							traceId,
							spanId,
							isRemote,
							traceFlags: api.TraceFlags.SAMPLED,
						});
			const links = link === null ? [] : [{ context: { ...link, traceFlags: api.TraceFlags.SAMPLED } }];
			next = span;
			const made = tracer.startSpan(span.name, { startTime: span.startMs, attributes, links }, context);
			next = null;
			if (span.error !== null) made.setStatus({ code: api.SpanStatusCode.ERROR, message: span.error });
			made.end(Math.max(span.startMs, span.endMs));
		},
		async [Symbol.asyncDispose]() {
			await provider.shutdown().catch((error: unknown) => tell(String(error)));
			api.diag.disable();
		},
	};
}
