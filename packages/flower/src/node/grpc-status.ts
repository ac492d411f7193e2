// The one table between error codes and gRPC status numbers.
import { Metadata, type ServiceError, type StatusObject, status } from "@grpc/grpc-js";
import { FlowerError, type FlowerErrorCode } from "../errors.ts";

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

/** The error of a failed call, on the side that made it. */
export function fromServiceError(error: ServiceError, method: string): FlowerError {
	return new FlowerError(codeOfStatus(error.code), error.details, { method, cause: error });
}

/** The status that carries an error to the side that made the call. */
export function toStatus(error: FlowerError): StatusObject {
	return { code: STATUS_OF_CODE[error.code], details: error.message, metadata: new Metadata() };
}
