import { createPrivateKey, X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createCertificateAuthority, issueServerCertificate } from "./certificates.ts";

const validity = { notBefore: new Date("2026-01-01T00:00:00Z"), notAfter: new Date("2027-01-01T00:00:00Z") };

describe("certificates", () => {
	test("OpenSSL finds them what they claim to be", async () => {
		const authority = await createCertificateAuthority({ commonName: "zk0 federation", ...validity });
		const server = await issueServerCertificate(authority, {
			hosts: ["example.org", "10.0.0.7", "::1"],
			...validity,
		});
		const root = new X509Certificate(authority.certificate);
		const leaf = new X509Certificate(server.certificateChain);
		expect([root.ca, leaf.ca]).toEqual([true, false]);
		expect(root.subject).toBe("CN=zk0 federation");
		expect(leaf.subject).toBe("CN=example.org");
		expect(leaf.subjectAltName).toBe("DNS:example.org, IP Address:10.0.0.7, IP Address:0:0:0:0:0:0:0:1");
		expect(leaf.checkIssued(root) && leaf.verify(root.publicKey) && root.verify(root.publicKey)).toBe(true);
		expect(leaf.checkPrivateKey(createPrivateKey(server.privateKey))).toBe(true);
		expect(leaf.publicKey.asymmetricKeyDetails?.namedCurve).toBe("secp384r1");
		expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
		expect([new Date(leaf.validFrom), new Date(leaf.validTo)]).toEqual([
			validity.notBefore,
			validity.notAfter,
		]);
		expect(leaf.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/);
		expect(leaf.serialNumber).not.toBe(root.serialNumber);
	});

	test("a period that ends before it begins is refused", async () => {
		const options = { commonName: "x", notBefore: validity.notAfter, notAfter: validity.notBefore };
		await expect(createCertificateAuthority(options)).rejects.toThrow(RangeError);
	});
});
