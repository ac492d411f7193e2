// A site's way to its server: whom it trusts, and a look at whether that holds.
import { FlowerError, type Traffic, type Transport } from "@zk0/flower";
import { type CheckServerOptions, checkServer, grpcTransport } from "@zk0/flower/node";
import { SYSTEM } from "./invitation.ts";
import type { ClientSettings } from "./site-identity.ts";

/** For every call that joining makes, and for a look at the server. */
export const CALL_TIMEOUT_MS = 15_000;
/** How often the connection is probed: one that a router has forgotten without a word is noticed within 10 s. */
const KEEPALIVE_MS = 5000;

type Place = Pick<ClientSettings, "host" | "port" | "authority">;

/** A connection to the federation's server; made by the first call. */
export function connect(
	{ host, port, authority }: Place,
	onTraffic: (traffic: Traffic) => void = () => undefined,
): Transport {
	const security = securityOf(authority);
	return grpcTransport({ host, port, security, keepaliveMs: KEEPALIVE_MS, onTraffic });
}

/**
 * Looks whether the server can be trusted, before anything is sent to it. A server that is not there is no reason not to
 * wait for it.
 * @throws FlowerError unavailable, with its `problem` and what to do
 */
export async function requireTrust({ host, port, authority }: Place): Promise<void> {
	try {
		await checkServer({ host, port, security: securityOf(authority), timeoutMs: CALL_TIMEOUT_MS });
	} catch (error) {
		if (!(error instanceof FlowerError && error.problem === "unreachable")) throw error;
	}
}

function securityOf(authority: string | null): CheckServerOptions["security"] {
	if (authority === null) return "plaintext";
	return authority === SYSTEM ? {} : { rootCertificates: authority };
}
