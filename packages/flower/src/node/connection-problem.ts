// Why a server cannot be spoken to, in words that name the cure: what OpenSSL, Node and grpc-js say about a connection that
// failed, sorted into the few cases that people can act on.
import { type ConnectionProblem, FlowerError } from "../errors.ts";

interface Row {
	readonly problem: ConnectionProblem;
	/** What one of the three says. */
	readonly pattern: RegExp;
	readonly text: (server: string) => string;
}

const ROWS: readonly Row[] = [
	{
		problem: "certificate-expired",
		pattern: /certificate has expired|certificate is not yet valid|CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/,
		text: (server) =>
			`The certificate of ${server} has expired. The operator restarts the server, which renews it ` +
			"(a certificate of the operator's own is renewed where it came from); if it is good there, this machine's clock is wrong.",
	},
	{
		problem: "wrong-authority",
		pattern:
			/self[- ]signed certificate|unable to get (?:local )?issuer|unable to verify|SELF_SIGNED|UNABLE_TO_/,
		text: (server) =>
			`The certificate of ${server} is from another authority than the one this site trusts. Ask the operator for a new ` +
			"invitation and join again: the site keeps its name and its key. If the operator changed nothing, somebody is in between.",
	},
	{
		problem: "wrong-name",
		pattern: /altnames|ALTNAME|does not match certificate/,
		text: (server) =>
			`The certificate of ${server} is for other names. The operator starts the server with --address and this name, ` +
			"or the site joins with an invitation that has the right one.",
	},
	{
		problem: "plaintext-port",
		pattern: /wrong version number|WRONG_VERSION_NUMBER|packet length too long|EPROTO/,
		text: (server) =>
			`${server} does not speak TLS: it is another port than the server's, or the server runs with --plaintext. ` +
			"Ask the operator for a new invitation; nothing was sent.",
	},
];

/** The error for a connection that failed as `said`; `unreachable` for what is in no other case. */
export function connectionError(
	said: string,
	{ host, port }: { readonly host: string; readonly port: number },
	cause?: unknown,
): FlowerError {
	const server = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
	const row = ROWS.find(({ pattern }) => pattern.test(said));
	if (row === undefined)
		return new FlowerError("unavailable", `Cannot reach ${server}: ${said}.`, {
			problem: "unreachable",
			cause,
		});
	return new FlowerError("unavailable", row.text(server), { problem: row.problem, cause });
}

/** The error of a client without TLS at a server that wants it. */
export function tlsWantedError(server: string): FlowerError {
	return new FlowerError(
		"unavailable",
		`${server} wants TLS, and this site was told to do without. Ask the operator for a new invitation and join again.`,
		{ problem: "tls-port" },
	);
}
