// Between this package's headers and those of @grpc/grpc-js.
import { Metadata } from "@grpc/grpc-js";
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
