// Tables as CSV (RFC 4180): UTF-8, a line of names, CRLF, empty for null.
import type { Cell, Table } from "./run-tables.ts";

/** A table's text. */
export function toCsv({ columns, rows }: Table): string {
	const lines = [columns.map(({ name }) => name), ...rows].map((row) => row.map(field).join(","));
	return `${lines.join("\r\n")}\r\n`;
}

function field(value: Cell): string {
	if (value === null) return "";
	const text = String(value);
	return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
