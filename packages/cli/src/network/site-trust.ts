// Whom a site trusts, as it is kept, and how it follows a server that announces a successor of its authority: the server that
// the site trusts now says so over an authenticated connection; nothing is ever taken from one that it does not trust.
import type { TrustStore } from "@zk0/federation";
import type { Traffic, Transport } from "@zk0/flower";
import { authoritiesIn, certificateFingerprint, trustName } from "@zk0/flower/node";
import { SYSTEM } from "./invitation.ts";
import { replaceableTransport } from "./replaceable-transport.ts";
import { connect } from "./server-connection.ts";
import type { ClientSettings } from "./site-identity.ts";

/** A connection, and what it trusts. */
export interface SiteTrust {
	/** New connections are made with what is trusted then. The caller disposes it. */
	readonly transport: Transport;
	/** Absent: there is nothing that a server could announce. */
	readonly store?: TrustStore;
}

/** What following an announcement needs. */
export interface SiteTrustOptions {
	/** Keeps the PEM of the authorities. */
	readonly keep: (authority: string) => Promise<void>;
	/** Is told of every call that succeeded. */
	readonly onTraffic: (traffic: Traffic) => void;
	/** Is told, in words, what changed or could not be kept. */
	readonly onChange: (message: string, isFailure: boolean) => void;
}

/** Opens the way to a server. */
export function openSiteTrust(
	settings: ClientSettings,
	{ keep, onTraffic, onChange }: SiteTrustOptions,
): SiteTrust {
	const { authority } = settings;
	if (authority === null || authority === SYSTEM) return { transport: connect(settings, onTraffic) };
	const transport = replaceableTransport(connect(settings, onTraffic));
	let trusted = authoritiesIn(authority);
	return {
		transport,
		store: {
			name: () => trustName(trusted),
			async replace(announced) {
				try {
					const next = authoritiesIn(announced.join("\n"));
					if (trustName(next) === trustName(trusted)) return;
					const pem = next.join("");
					await keep(pem);
					trusted = next;
					transport.replace(connect({ ...settings, authority: pem }, onTraffic));
					const names = next.map((one) => certificateFingerprint(one).slice(0, 16)).join(" and ");
					onChange(`the server announced another authority; this site trusts ${names} now`, false);
				} catch (error) {
					onChange(`cannot take over the authority that the server announced: ${String(error)}`, true);
				}
			},
		},
	};
}
