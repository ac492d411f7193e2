// This package's headers as @grpc/grpc-js wants them.
import { Metadata } from "@grpc/grpc-js";
import type { CallHeaders } from "../transport.ts";

/** Headers for the wire; `-bin` ones carry bytes. */
export function toMetadata(headers: CallHeaders): Metadata {
	const metadata = new Metadata();
	for (const [name, value] of headers)
		metadata.set(name, typeof value === "string" ? value : Buffer.from(value));
	return metadata;
}
