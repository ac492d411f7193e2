// Addresses as people type them.
import { CliError } from "../cli-error.ts";

/** Reads `<host>:<port>`, with brackets around IPv6. @throws CliError "bad-flag" */
export function parseAddress(text: string): { readonly host: string; readonly port: number } {
	const [, ipv6, name, port] = /^(?:\[([0-9a-f:]+)\]|([^:/\s]+)):(\d{1,5})$/.exec(text) ?? [];
	const host = ipv6 ?? name;
	if (host !== undefined && Number(port) > 0 && Number(port) < 65_536) return { host, port: Number(port) };
	throw new CliError("bad-flag", `"${text}" is not <host>:<port>`, {
		cure: "for example fl.example.org:9092",
	});
}
