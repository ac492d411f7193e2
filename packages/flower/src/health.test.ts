// Health checks say serving or not, know the services by name, and take nothing else.
import { expect, test } from "vitest";
import { healthRoutes } from "./health.ts";

let isServing = true;
const [[path, route] = []] = [...healthRoutes(() => isServing, ["flwr.proto.Fleet"])];
const info = { method: path ?? "", headers: new Map(), peer: "" };

async function check(request: Uint8Array): Promise<Uint8Array | undefined> {
	const call = await route?.open(info);
	return await call?.handle(request, new AbortController().signal, () => Promise.resolve());
}

const named = (name: string): Uint8Array => {
	const bytes = new TextEncoder().encode(name);
	return Uint8Array.of(0x0a, bytes.length, ...bytes);
};

test("the server and its services are serving, until they are not", async () => {
	expect(path).toBe("/grpc.health.v1.Health/Check");
	expect(await check(new Uint8Array(0))).toEqual(Uint8Array.of(8, 1));
	expect(await check(named("flwr.proto.Fleet"))).toEqual(Uint8Array.of(8, 1));
	isServing = false;
	expect(await check(named(""))).toEqual(Uint8Array.of(8, 2));
});

test("others are not known, and what is no request is refused", async () => {
	await expect(check(named("other"))).rejects.toMatchObject({ code: "not-found" });
	for (const bytes of [[1], [0x0a, 5, 65], [0x0a, 200], [0x12, 0]])
		await expect(check(Uint8Array.from(bytes))).rejects.toMatchObject({ code: "invalid-argument" });
});
