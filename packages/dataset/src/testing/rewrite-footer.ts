// Parquet files whose footer is well-formed and says something else.
import { type FileMetaData, parquetMetadata } from "hyparquet";
import { ByteWriter } from "hyparquet-writer/src/bytewriter.js";
import { writeMetadata } from "hyparquet-writer/src/metadata.js";

/** The file `bytes` with a footer that `change` has changed in place. */
export function rewriteFooter(bytes: Uint8Array, change: (metadata: FileMetaData) => void): Uint8Array {
	const whole = Uint8Array.from(bytes);
	const footerBytes = new DataView(whole.buffer).getUint32(whole.length - 8, true);
	const metadata = parquetMetadata(whole.buffer, { geoparquet: false });
	change(metadata);
	const writer = new ByteWriter();
	writeMetadata(writer, metadata);
	const body = whole.subarray(0, whole.length - 8 - footerBytes);
	return Buffer.concat([body, new Uint8Array(writer.getBuffer()), Buffer.from("PAR1")]);
}
