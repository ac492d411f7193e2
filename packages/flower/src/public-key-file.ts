// Public keys as people hand them around: OpenSSH lines (`ssh-keygen -t ecdsa`, what Flower's command line reads) and PEM.
// OpenSSH's form of ECDSA keys: RFC 5656, section 3.1.
import { createPublicKey, type KeyObject } from "node:crypto";
import { FlowerError } from "./errors.ts";
import { MAX_PUBLIC_KEY_BYTES } from "./limits.ts";
import { parsePublicKey } from "./node-auth.ts";

interface Curve {
	readonly ssh: string;
	readonly jwk: string;
	/** Length of one coordinate. */
	readonly bytes: number;
}

const CURVES: readonly Curve[] = [
	{ ssh: "nistp256", jwk: "P-256", bytes: 32 },
	{ ssh: "nistp384", jwk: "P-384", bytes: 48 },
	{ ssh: "nistp521", jwk: "P-521", bytes: 66 },
];
/** Marks a point of which both coordinates follow. */
const UNCOMPRESSED = 4;

/**
 * The key of a public key file as PEM, byte for byte what a node with that key sends.
 * @throws FlowerError invalid-argument unless it is an ECDSA key on a NIST curve, as an OpenSSH line or PEM.
 */
export function readPublicKeyFile(text: string): string {
	const trimmed = text.trim();
	if (trimmed.length > MAX_PUBLIC_KEY_BYTES)
		throw new FlowerError("invalid-argument", `A public key file of ${trimmed.length} characters.`);
	const key = trimmed.startsWith("-----") ? parsePublicKey(Buffer.from(trimmed)) : fromOpenSsh(trimmed);
	return key.export({ type: "spki", format: "pem" }).toString();
}

/** The OpenSSH line of a key in PEM, which `flwr supernode register` takes. */
export function openSshPublicKey(publicKeyPem: string, comment: string): string {
	const { crv, x, y } = parsePublicKey(Buffer.from(publicKeyPem)).export({ format: "jwk" });
	const curve = CURVES.find(({ jwk }) => jwk === crv);
	if (curve === undefined) throw notReadable(`OpenSSH has no keys on ${crv ?? "this curve"}`);
	const name = `ecdsa-sha2-${curve.ssh}`;
	const point = Buffer.concat([Buffer.of(UNCOMPRESSED), coordinate(x, curve), coordinate(y, curve)]);
	const blob = Buffer.concat([Buffer.from(name), Buffer.from(curve.ssh), point].flatMap(withLength));
	return `${name} ${blob.toString("base64")} ${comment}`;
}

function fromOpenSsh(line: string): KeyObject {
	const [name = "", base64 = ""] = line.split(/\s+/);
	const curve = CURVES.find(({ ssh }) => name === `ecdsa-sha2-${ssh}`);
	if (curve === undefined) throw notReadable(`a key of kind "${name.slice(0, 40)}" is not one`);
	const [inner, ssh, point, ...more] = fields(Buffer.from(base64, "base64"));
	const isWhole = inner?.toString() === name && ssh?.toString() === curve.ssh && point?.[0] === UNCOMPRESSED;
	if (!isWhole || more.length > 0 || point.length !== 1 + 2 * curve.bytes)
		throw notReadable("the line is damaged");
	const at = (start: number): string => point.subarray(start, start + curve.bytes).toString("base64url");
	const key = { kty: "EC", crv: curve.jwk, x: at(1), y: at(1 + curve.bytes) };
	try {
		return createPublicKey({ key, format: "jwk" });
	} catch (cause) {
		throw notReadable("its point is not on the curve", cause);
	}
}

/** Coordinates of a JWK have no leading zeros cut off, so this is a check and no padding. */
function coordinate(text: string | undefined, { bytes }: Curve): Buffer {
	const value = Buffer.from(text ?? "", "base64url");
	if (value.length !== bytes) throw notReadable("its point is damaged");
	return value;
}

function withLength(bytes: Buffer): [Buffer, Buffer] {
	const length = Buffer.alloc(4);
	length.writeUInt32BE(bytes.length);
	return [length, bytes];
}

/** The length-prefixed fields of a blob; a field that is cut off is left out. */
function fields(blob: Buffer): Buffer[] {
	const found: Buffer[] = [];
	for (let offset = 0; offset + 4 <= blob.length; ) {
		const end = offset + 4 + blob.readUInt32BE(offset);
		if (end > blob.length) break;
		found.push(blob.subarray(offset + 4, end));
		offset = end;
	}
	return found;
}

function notReadable(why: string, cause?: unknown): FlowerError {
	return new FlowerError(
		"invalid-argument",
		`A node's public key is an ECDSA key on a NIST curve, as ssh-keygen -t ecdsa -b 384 makes it: ${why}.`,
		{ cause },
	);
}
