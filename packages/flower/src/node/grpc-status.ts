// The one table between error codes and gRPC status numbers.
import { type ServiceError, status } from "@grpc/grpc-js";
import { FlowerError, type FlowerErrorCode } from "../errors.ts";

/** The standard trailer by which a server says when to try again. */
export const PUSHBACK_TRAILER = "grpc-retry-pushback-ms";

const STATUS_OF_CODE: Readonly<Record<FlowerErrorCode, status>> = {
	cancelled: status.CANCELLED,
	unknown: status.UNKNOWN,
	"invalid-argument": status.INVALID_ARGUMENT,
	"deadline-exceeded": status.DEADLINE_EXCEEDED,
	"not-found": status.NOT_FOUND,
	"already-exists": status.ALREADY_EXISTS,
	"permission-denied": status.PERMISSION_DENIED,
	"resource-exhausted": status.RESOURCE_EXHAUSTED,
	"failed-precondition": status.FAILED_PRECONDITION,
	aborted: status.ABORTED,
	"out-of-range": status.OUT_OF_RANGE,
	unimplemented: status.UNIMPLEMENTED,
	internal: status.INTERNAL,
	unavailable: status.UNAVAILABLE,
	"data-loss": status.DATA_LOSS,
	unauthenticated: status.UNAUTHENTICATED,
};

const CODE_OF_STATUS: ReadonlyMap<number, FlowerErrorCode> = new Map(
	Object.entries(STATUS_OF_CODE).map(([code, number]) => [
		number,
		// Object.entries widens the keys of a total record.
		code as FlowerErrorCode,
	]),
);

/** The code of a gRPC status number; numbers that gRPC does not define (and 0) become `unknown`. */
export function codeOfStatus(number: number): FlowerErrorCode {
	return CODE_OF_STATUS.get(number) ?? "unknown";
}

/** The gRPC status number of a code. */
export function statusOfCode(code: FlowerErrorCode): number {
	return STATUS_OF_CODE[code];
}

/** The error of a failed call, on the side that made it. */
export function fromServiceError(error: ServiceError, method: string): FlowerError {
	const pushback = Number(error.metadata?.get(PUSHBACK_TRAILER)[0] ?? Number.NaN);
	return new FlowerError(codeOfStatus(error.code), error.details, {
		method,
		cause: error,
		retryAfterMs: Number.isFinite(pushback) && pushback >= 0 ? pushback : undefined,
	});
}
