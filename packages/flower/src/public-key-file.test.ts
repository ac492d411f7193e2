import { describe, expect, test } from "vitest";
import { createNodeIdentity } from "./node-auth.ts";
import { openSshPublicKey, readPublicKeyFile } from "./public-key-file.ts";

/** Made by `ssh-keygen -t ecdsa -b 384`, and by `ssh-keygen -e -m PKCS8` of it. */
const LINE =
	"ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBFdvmDe8k2H3B1NiRIYyEiCWM/aWrBjOdS6x/cKR42ziDZkYwdaej+sn8jgBE4aVJg9i37y/6PDQDwhVqJA3Pspqmipe4bwaFB8MtvZ4jptf6YMgBdPs5jX1QdJT+FdGew== vector";
const PEM = `-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEV2+YN7yTYfcHU2JEhjISIJYz9pasGM51
LrH9wpHjbOINmRjB1p6P6yfyOAEThpUmD2LfvL/o8NAPCFWokDc+ymqaKl7hvBoU
Hwy29niOm1/pgyAF0+zmNfVB0lP4V0Z7
-----END PUBLIC KEY-----
`;
const P521 =
	"ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAEkqMEsi8Daspeb/Arw3eJ20MupnfyE81Q6JVpHm6iT4u3ZPP1jyx3MRAZFfvqfnjC3EQ5/ldTokyxmaMhm0LiUBACEpOskxX29/d9bHITzSYJ0W9MdXelSHCJ8WbaUmCj5cMSEBfD0FcL0UXdgNjat/uq/jZWfKT3PkCgZHHTIcumR2w== vector";

describe("public key files", () => {
	test("are read as OpenSSL spells them, from OpenSSH lines and from PEM", () => {
		expect(readPublicKeyFile(`${LINE}\n`)).toBe(PEM);
		expect(readPublicKeyFile(PEM.trim())).toBe(PEM);
	});

	test("are written as OpenSSH spells them", () => {
		expect(openSshPublicKey(PEM, "vector")).toBe(LINE);
		expect(openSshPublicKey(readPublicKeyFile(P521), "vector")).toBe(P521);
		const own = createNodeIdentity("prime256v1").publicKeyPem;
		expect(readPublicKeyFile(openSshPublicKey(own, "any comment at all"))).toBe(own);
	});

	test.each([
		["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH", "ssh-ed25519"],
		[LINE.replace("nistp384 ", "nistp256 "), "damaged"],
		[LINE.slice(0, 100), "damaged"],
		[LINE.replace("BFdv", "BFdw"), "not on the curve"],
		["", "of kind"],
		["x".repeat(2000), "2000 characters"],
	])("that are none of these are refused: %#", (text, why) => {
		expect(() => readPublicKeyFile(text)).toThrow(why);
	});
});
