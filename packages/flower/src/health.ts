// The gRPC health protocol (grpc.health.v1, https://github.com/grpc/grpc/blob/master/doc/health-checking.md): Check without
// authentication, as load balancers call it. It tells whether the server takes calls, and nothing else. Watch streams and is
// not served. The two messages have one field each, so their bytes are written out here.
import { FlowerError } from "./errors.ts";
import { addressOf } from "./peer-address.ts";
import type { Route } from "./service.ts";

const CHECK = "/grpc.health.v1.Health/Check";
/** HealthCheckResponse: field 1, SERVING or NOT_SERVING. */
const SERVING = Uint8Array.of(0x08, 1);
const NOT_SERVING = Uint8Array.of(0x08, 2);
/** HealthCheckRequest: field 1, a string. */
const SERVICE_TAG = 0x0a;
/** Longer names are no service of this server. */
const MAX_NAME_BYTES = 100;

/** The health route for the server as a whole and for the services named. */
export function healthRoutes(isServing: () => boolean, services: readonly string[]): Map<string, Route> {
	const route: Route = {
		open: async ({ peer }) => ({
			account: addressOf(peer),
			isTrusted: false,
			maxRequestBytes: 2 + MAX_NAME_BYTES,
			answerBytes: 0,
			async handle(request) {
				const service = serviceOf(request);
				if (service !== "" && !services.includes(service))
					throw new FlowerError("not-found", "unknown service", { method: CHECK });
				return isServing() ? SERVING : NOT_SERVING;
			},
		}),
	};
	return new Map([[CHECK, route]]);
}

function serviceOf(request: Uint8Array): string {
	if (request.length === 0) return "";
	const [tag, length = 0] = request;
	if (tag !== SERVICE_TAG || length > MAX_NAME_BYTES || request.length !== 2 + length)
		throw new FlowerError("invalid-argument", "not a HealthCheckRequest", { method: CHECK });
	return new TextDecoder().decode(request.subarray(2));
}
