// A certificate of the operator's own, e.g. of a public authority: read from where it lies at every look, so that what renews it
// needs to know nothing of zk0, and checked before it is shown to anybody.
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { certificateFingerprint } from "@zk0/flower/node";
import { CliError } from "../cli-error.ts";
import type { ServerTrust } from "./authority.ts";
import { SYSTEM } from "./invitation.ts";
import type { CertificateFiles } from "./server-settings.ts";

const CURVES: ReadonlySet<string | undefined> = new Set(["prime256v1", "secp384r1"]);
const MIN_RSA_BITS = 3072;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * The operator's certificate for a server that sites reach as `address`. With an authority file sites pin that; without,
 * they trust the authorities that come with their system.
 * @throws CliError "bad-certificate" that names the file and the cure
 */
export async function operatorTrust(
	{ certificate: path, key: keyPath, ca: caPath }: CertificateFiles,
	address: string,
	nowMs: number,
): Promise<ServerTrust> {
	const chain = await readChain(path);
	const [leaf, ...issuers] = chain;
	const key = await readKey(keyPath);
	if (!leaf.checkPrivateKey(key))
		throw bad(keyPath, `is not the key of ${path}`, "give the key that was made for it");
	checkKind(key, keyPath);
	checkPeriod(leaf, path, nowMs);
	if ((isIP(address) === 0 ? leaf.checkHost(address) : leaf.checkIP(address)) === undefined)
		throw bad(
			path,
			`is for ${leaf.subjectAltName ?? "no name"}, not for ${address}`,
			"give the name with --address",
		);
	const authority = caPath === null ? undefined : (await readChain(caPath))[0];
	if (authority !== undefined && caPath !== null) checkIssued([leaf, ...issuers], authority, caPath, nowMs);
	const shown = authority === undefined || includes(chain, authority) ? chain : [...chain, authority];
	return {
		certificate: {
			certificateChain: shown.map(String).join(""),
			privateKey: key.export({ type: "pkcs8", format: "pem" }).toString(),
		},
		pin: authority === undefined ? SYSTEM : certificateFingerprint(authority.toString()),
		expiresAtMs: Date.parse(leaf.validTo),
		authorities: [],
		rotation: null,
	};
}

async function readChain(path: string): Promise<readonly [X509Certificate, ...X509Certificate[]]> {
	const text = await readText(path);
	try {
		const [leaf, ...others] = (text.match(PEM_CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem));
		if (leaf !== undefined) return [leaf, ...others];
	} catch (cause) {
		throw bad(path, "holds a certificate that cannot be read", "export it as PEM", cause);
	}
	throw bad(path, "holds no certificate", "give a PEM file: the server's certificate, then its issuers");
}

async function readKey(path: string): Promise<KeyObject> {
	const text = await readText(path);
	try {
		return createPrivateKey(text);
	} catch (cause) {
		throw bad(path, "holds no private key that can be read", "give a PEM file without a passphrase", cause);
	}
}

async function readText(path: string): Promise<string> {
	try {
		return await readFile(path, "utf8");
	} catch (cause) {
		throw bad(path, "cannot be read", "check the path and its permissions", cause);
	}
}

function checkKind(
	{ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject,
	path: string,
): void {
	const isGood =
		(type === "ec" && CURVES.has(details?.namedCurve)) ||
		(type === "rsa" && (details?.modulusLength ?? 0) >= MIN_RSA_BITS);
	if (isGood) return;
	const found = `${type ?? "unknown"} ${details?.namedCurve ?? details?.modulusLength ?? ""}`.trim();
	throw bad(path, `is a key of kind ${found}`, `use P-256, P-384, or RSA of at least ${MIN_RSA_BITS} bits`);
}

function checkPeriod(certificate: X509Certificate, path: string, nowMs: number): void {
	const { validFrom, validTo } = certificate;
	if (nowMs >= Date.parse(validTo)) throw bad(path, `expired on ${validTo}`, "renew it where it came from");
	if (nowMs < Date.parse(validFrom))
		throw bad(path, `is not valid before ${validFrom}`, "check this machine's clock");
}

function checkIssued(
	chain: readonly X509Certificate[],
	authority: X509Certificate,
	path: string,
	nowMs: number,
): void {
	if (!authority.ca)
		throw bad(path, "is not an authority's certificate", "give the root that issued the chain");
	checkPeriod(authority, path, nowMs);
	const isIssuer = (one: X509Certificate): boolean =>
		one.raw.equals(authority.raw) || (one.checkIssued(authority) && one.verify(authority.publicKey));
	if (!chain.some(isIssuer))
		throw bad(path, "did not issue the certificate", "give the root that issued the chain");
}

function includes(chain: readonly X509Certificate[], authority: X509Certificate): boolean {
	return chain.some(({ raw }) => raw.equals(authority.raw));
}

function bad(path: string, what: string, cure: string, cause?: unknown): CliError {
	return new CliError("bad-certificate", `${path} ${what}`, { cure, cause });
}
