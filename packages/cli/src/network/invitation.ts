// An invitation as one line without characters that a shell would touch:
// zk0://<host>:<port>/<site or _>/<secret>/<fingerprint of the server's authority, plaintext or system>
import { isIP } from "node:net";
import { isSiteName } from "@zk0/federation";
import { CliError } from "../cli-error.ts";

/** What an invitation says. */
export interface Invitation {
	readonly host: string;
	readonly port: number;
	/** The name that it is for; null: the site chooses. */
	readonly site: string | null;
	readonly secret: string;
	/** SHA-256 of the authority's certificate; SYSTEM or PLAINTEXT. */
	readonly trust: string;
}

const ANY_SITE = "_";
/** Trust for a server on this machine without TLS. */
export const PLAINTEXT = "plaintext";
/** Trust in the authorities that come with the system, for a server with a certificate of one of them. */
export const SYSTEM = "system";
const FORM =
	/^zk0:\/\/(\[[0-9a-f:]+\]|[^/:\s]+):(\d{1,5})\/([^/\s]+)\/([A-Za-z0-9_-]+)\/([0-9a-f]{64}|plaintext|system)$/;

/** The line. */
export function formatInvitation({ host, port, site, secret, trust }: Invitation): string {
	const address = isIP(host) === 6 ? `[${host}]` : host;
	return `zk0://${address}:${port}/${site ?? ANY_SITE}/${secret}/${trust}`;
}

/** Reads the line. @throws CliError "bad-invitation" */
export function parseInvitation(line: string): Invitation {
	const [, address = "", port = "", site = "", secret = "", trust = ""] = FORM.exec(line.trim()) ?? [];
	const isWhole = secret !== "" && Number(port) > 0 && Number(port) < 65_536;
	if (!isWhole || (site !== ANY_SITE && !isSiteName(site))) {
		throw new CliError("bad-invitation", "that is not a whole invitation", {
			cure: "copy the line that `zk0 server invite` printed, from zk0:// to its end",
		});
	}
	return {
		host: address.replace(/^\[|\]$/g, ""),
		port: Number(port),
		site: site === ANY_SITE ? null : site,
		secret,
		trust,
	};
}
