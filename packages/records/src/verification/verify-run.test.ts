// Signatures in a log; the rest of a verification is tested on a real run in e2e/simulate.test.ts.
import { createSign, generateKeyPairSync } from "node:crypto";
import { keyFingerprint, type RoundEvent } from "@zk0/federation";
import { expect, test } from "vitest";
import { checkSignatures } from "./verify-run.ts";

const at = "2026-11-23T12:00:00.000Z";
const sha256 = "0".repeat(64);
const instruction = "1".repeat(64);
const records = ["2".repeat(64), "3".repeat(64)];

function newSite(site: string) {
	const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
	const publicKeyPem = publicKey.export({ type: "spki", format: "pem" }).toString();
	const joined: RoundEvent = {
		kind: "site.joined",
		at,
		site,
		numSamples: 1,
		details: {},
		publicKey: publicKeyPem,
	};
	const update = (signs: "itself" | "nothing" | "other records"): RoundEvent => {
		const statement = ["zk0 reply 1", instruction, ...(signs === "itself" ? records : [sha256])].join("\n");
		const signature = createSign("sha256").update(statement).sign(privateKey).toString("base64");
		const signed = { key: keyFingerprint(publicKeyPem), instruction, records, signature };
		const common = {
			kind: "update.received",
			at,
			round: 1,
			site,
			sha256,
			sizeBytes: 1,
			norm: null,
			numSamples: 1,
		} as const;
		return { ...common, metrics: {}, signed: signs === "nothing" ? null : signed };
	};
	return { joined, update };
}

test("a signature holds under the key its site joined with, and under no other", () => {
	const [kitchen, lab, flower] = [newSite("kitchen"), newSite("lab"), newSite("flower")];
	const checks = checkSignatures([
		kitchen.joined,
		lab.joined,
		flower.joined,
		kitchen.update("itself"),
		kitchen.update("itself"),
		lab.update("itself"),
		lab.update("other records"),
		flower.update("nothing"),
	]);
	expect(checks.map(({ subject, state }) => [subject, state])).toEqual([
		["signatures of flower", "absent"],
		["signatures of kitchen", "holds"],
		["signatures of lab", "fails"],
	]);
	const impostor = { ...newSite("kitchen").update("itself") };
	expect(checkSignatures([kitchen.joined, impostor])).toMatchObject([{ state: "fails" }]);
});
