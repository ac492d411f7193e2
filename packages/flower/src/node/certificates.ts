// Certificates of a private authority. Making one is rare and needs a large library, which every server and client would
// otherwise load at its start: a quarter of the time that a server takes to be up.
import type { ServerCertificate } from "./grpc-listener.ts";

/** A certificate authority; its key signs server certificates and must be kept secret. */
export interface CertificateAuthority {
	/** PEM; what clients trust. */
	readonly certificate: string;
	/** PEM (PKCS #8). */
	readonly privateKey: string;
}

/** When a certificate is valid. */
export interface Validity {
	readonly notBefore: Date;
	readonly notAfter: Date;
}

/** Makes a self-signed authority named `commonName`, which may issue server certificates and no further authorities. */
export async function createCertificateAuthority(
	options: Validity & { readonly commonName: string },
): Promise<CertificateAuthority> {
	const { createAuthority } = await import("./issue-certificates.ts");
	return await createAuthority(options);
}

/** Makes a key and a certificate for a server that is reached as any of `hosts` (DNS names and IP addresses). */
export async function issueServerCertificate(
	authority: CertificateAuthority,
	options: Validity & { readonly hosts: readonly [string, ...string[]] },
): Promise<ServerCertificate> {
	const { issueCertificate } = await import("./issue-certificates.ts");
	return await issueCertificate(authority, options);
}
