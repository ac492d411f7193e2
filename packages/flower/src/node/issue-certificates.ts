// Makes the certificates of certificates.ts: P-384 keys, SHA-384 signatures, X.509 v3.
// oxlint-disable-next-line import/no-unassigned-import -- @peculiar/x509 needs this and does not load it itself
import "reflect-metadata";
import type { webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
	AuthorityKeyIdentifierExtension,
	BasicConstraintsExtension,
	ExtendedKeyUsage,
	ExtendedKeyUsageExtension,
	KeyUsageFlags,
	KeyUsagesExtension,
	PemConverter,
	SubjectAlternativeNameExtension,
	SubjectKeyIdentifierExtension,
	X509Certificate,
	X509CertificateGenerator,
} from "@peculiar/x509";
import type { CertificateAuthority, Validity } from "./certificates.ts";
import type { ServerCertificate } from "./grpc-listener.ts";

const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-384" } as const;
const SIGNATURE_ALGORITHM = { name: "ECDSA", hash: "SHA-384" } as const;

/** Makes a self-signed authority named `commonName`, which may issue server certificates and no further authorities. */
export async function createAuthority(
	options: Validity & { readonly commonName: string },
): Promise<CertificateAuthority> {
	const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
	const certificate = await X509CertificateGenerator.createSelfSigned(
		{
			name: [{ CN: [options.commonName] }],
			keys,
			signingAlgorithm: SIGNATURE_ALGORITHM,
			...validity(options),
			extensions: [
				new BasicConstraintsExtension(true, 0, true),
				new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
				await SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
			],
		},
		crypto,
	);
	return { certificate: certificate.toString("pem"), privateKey: await exportKey(keys.privateKey) };
}

/** Makes a key and a certificate for a server that is reached as any of `hosts` (DNS names and IP addresses). */
export async function issueCertificate(
	authority: CertificateAuthority,
	options: Validity & { readonly hosts: readonly [string, ...string[]] },
): Promise<ServerCertificate> {
	const issuer = new X509Certificate(authority.certificate);
	const signingKey = await crypto.subtle.importKey(
		"pkcs8",
		PemConverter.decodeFirst(authority.privateKey),
		KEY_ALGORITHM,
		false,
		["sign"],
	);
	const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
	const certificate = await X509CertificateGenerator.create(
		{
			subject: [{ CN: [options.hosts[0]] }],
			issuer: issuer.subject,
			publicKey: keys.publicKey,
			signingKey,
			signingAlgorithm: SIGNATURE_ALGORITHM,
			...validity(options),
			extensions: [
				new BasicConstraintsExtension(false, undefined, true),
				new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
				new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
				new SubjectAlternativeNameExtension(
					options.hosts.map((host) => ({ type: isIP(host) === 0 ? "dns" : "ip", value: host })),
				),
				await SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
				await AuthorityKeyIdentifierExtension.create(await issuer.publicKey.export(crypto), false, crypto),
			],
		},
		crypto,
	);
	return { certificateChain: certificate.toString("pem"), privateKey: await exportKey(keys.privateKey) };
}

/** Serial numbers are positive and random, so that no state is needed to keep them unique. */
function validity({ notBefore, notAfter }: Validity): {
	serialNumber: string;
	notBefore: Date;
	notAfter: Date;
} {
	if (!(notAfter > notBefore))
		throw new RangeError(`certificate: ends ${notAfter.toISOString()}, begins ${notBefore.toISOString()}`);
	const serial = crypto.getRandomValues(new Uint8Array(16));
	serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
	return { serialNumber: Buffer.from(serial).toString("hex"), notBefore, notAfter };
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
	return `${PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}
