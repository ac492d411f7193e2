// A certificate for 127.0.0.1 that lasts a day.
import { createCertificateAuthority, issueServerCertificate, type ServerCertificate } from "@zk0/flower/node";

const DAY_MS = 24 * 3600 * 1000;

/** A new authority (PEM) and a certificate of it. */
export async function testCertificate(): Promise<{
	readonly authority: string;
	readonly certificate: ServerCertificate;
}> {
	const now = Date.now();
	const validity = { notBefore: new Date(now - DAY_MS), notAfter: new Date(now + DAY_MS) };
	const authority = await createCertificateAuthority({ commonName: "benchmark", ...validity });
	const certificate = await issueServerCertificate(authority, { hosts: ["127.0.0.1"], ...validity });
	return { authority: authority.certificate, certificate };
}
