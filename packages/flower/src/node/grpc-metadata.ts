// Between this package's headers and errors and those of @grpc/grpc-js.
import { Metadata, type ServiceError, type StatusObject, type status } from "@grpc/grpc-js";
import { codeOfStatus, FlowerError, statusOfCode } from "../errors.ts";
import type { CallHeaders } from "../transport.ts";

/** Headers for the wire; `-bin` ones carry bytes. */
export function toMetadata(headers: CallHeaders): Metadata {
	const metadata = new Metadata();
	for (const [name, value] of headers)
		metadata.set(name, typeof value === "string" ? value : Buffer.from(value));
	return metadata;
}

/** Headers from the wire; of repeated ones the first. */
export function fromMetadata(metadata: Metadata): CallHeaders {
	const headers = new Map<string, string | Uint8Array>();
	for (const name of Object.keys(metadata.getMap())) {
		const [value] = metadata.get(name);
		if (value !== undefined) headers.set(name, value);
	}
	return headers;
}

/** The error of a failed call, on the side that made it. */
export function fromServiceError(error: ServiceError, method: string): FlowerError {
	return new FlowerError(codeOfStatus(error.code), error.details, { method, cause: error });
}

/** The status that carries an error to the side that made the call. */
export function toStatus(error: FlowerError): StatusObject {
	// statusOfCode gives the numbers of this enum.
	const code = statusOfCode(error.code) as status;
	return { code, details: error.message, metadata: new Metadata() };
}
