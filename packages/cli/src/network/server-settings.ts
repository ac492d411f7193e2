// How a server is reached, kept in its state folder so that a later start needs no flags.
import { resolve } from "node:path";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import type { ServerHome } from "./home.ts";
import { readJsonFile } from "./private-file.ts";
import { serverLimitsSchema } from "./server-limits.ts";

const certificateFilesSchema = z.object({
	/** PEM: the certificate, then its issuers. */
	certificate: z.string(),
	key: z.string(),
	/** The authority that sites pin; null: they trust those of their system. */
	ca: z.string().nullable(),
});

/** Absolute paths of a certificate of the operator's own. */
export type CertificateFiles = z.infer<typeof certificateFilesSchema>;

/** Schema of {@link ServerSettings}. */
export const serverSettingsSchema = z.object({
	/** Address to bind. */
	listen: z.string(),
	port: z.int(),
	/** Name or address that sites use; in the certificate. */
	address: z.string(),
	security: z.enum(["tls", "plaintext"]),
	/** Whether Flower's own nodes, whose replies are not signed, are let in. */
	allowFlowerNodes: z.boolean().default(false),
	/** Loopback port of dashboard and admin API. */
	adminPort: z.int().default(0),
	/** Where the dashboard is served over TLS beyond this machine; null: nowhere. */
	dashboard: z.object({ host: z.string(), port: z.int() }).nullable().default(null),
	limits: serverLimitsSchema.default({}),
	/** Settings of a run, by the names of zk0.json, that begins by itself once its clients are there; null: none. */
	standing: z.record(z.string(), z.json()).nullable().default(null),
	/** Files of a certificate of the operator's own; null: of the server's own authority. */
	certificate: certificateFilesSchema.nullable().default(null),
});

/** How a server is reached. */
export type ServerSettings = z.infer<typeof serverSettingsSchema>;

const DEFAULTS: ServerSettings = {
	listen: "0.0.0.0",
	port: 9092,
	address: "localhost",
	security: "tls",
	allowFlowerNodes: false,
	adminPort: 0,
	dashboard: null,
	limits: {},
	standing: null,
	certificate: null,
};

/** The settings of an earlier start with changes. @throws CliError "bad-config" for plaintext beyond this machine */
export async function resolveSettings(
	home: ServerHome,
	changes: Partial<ServerSettings>,
): Promise<ServerSettings> {
	const kept = await readJsonFile(home.settings, serverSettingsSchema);
	const limits = { ...kept?.limits, ...changes.limits };
	const settings = { ...DEFAULTS, ...kept, ...changes, limits };
	const { security, listen, dashboard } = settings;
	if (security === "tls") return settings;
	const { isLoopback } = await import("@zk0/flower/node");
	if (!isLoopback(listen))
		throw new CliError("bad-config", `plaintext on ${listen} could be read by others`, {
			cure: "use --listen 127.0.0.1 with --plaintext, or leave --plaintext out",
		});
	if (dashboard !== null)
		throw new CliError("bad-config", "a plaintext server has no certificate for --dashboard", {
			cure: "leave --plaintext out, or open the dashboard on this machine (`zk0 server dashboard`)",
		});
	return settings;
}

const ADDRESS_FORM = /^(?:\[([0-9a-f:]+)\]|([^:\s]+)):(\d{1,5})$/;

/** Reads `<address>:<port>` (an IPv6 address in brackets) or `off`. @throws CliError "bad-flag" */
export function parseDashboard(text: string): ServerSettings["dashboard"] {
	if (text === "off") return null;
	const [, ipv6, name, port] = ADDRESS_FORM.exec(text) ?? [];
	const host = ipv6 ?? name;
	if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
	throw new CliError("bad-flag", `--dashboard: "${text}" is not <address>:<port>`, {
		cure: "for example --dashboard 0.0.0.0:9093",
	});
}

/**
 * What `--certificate`, `--key` and `--ca` change; `--certificate off` goes back to the server's own authority.
 * @throws CliError "bad-flag"
 */
export function parseCertificate(
	{ certificate, key, ca }: { readonly [name in "certificate" | "key" | "ca"]?: string | undefined },
	cwd: string,
): Pick<Partial<ServerSettings>, "certificate"> {
	if (certificate === "off" && key === undefined && ca === undefined) return { certificate: null };
	if (certificate === undefined && key === undefined && ca === undefined) return {};
	if (certificate === undefined || key === undefined)
		throw new CliError("bad-flag", "--certificate and --key go together; --ca may come with them", {
			cure: "for example --certificate fullchain.pem --key privkey.pem",
		});
	const absolute = (path: string): string => resolve(cwd, path);
	return {
		certificate: {
			certificate: absolute(certificate),
			key: absolute(key),
			ca: ca === undefined ? null : absolute(ca),
		},
	};
}
