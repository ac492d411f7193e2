// Flower's own nodes at a server of the command line, over TLS, in this process; the nodes' calls are made by hand. With
// real ones: e2e/interop.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { authenticated, createNodeIdentity, Fleet, openSshPublicKey } from "@zk0/flower";
import { fetchAuthority, grpcTransport, loadAppBundle } from "@zk0/flower/node";
import { expect, test } from "vitest";
import { COMMANDS } from "../commands/index.ts";
import { createOutput } from "../output.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { VERSION } from "../version.ts";
import { serverHome } from "./home.ts";
import { parseInvitation } from "./invitation.ts";
import { serveFederation } from "./server-process.ts";

const APP = fileURLToPath(new URL("../../../../e2e/interop/flower-client-app", import.meta.url));
const env = { ZK0_CACHE_DIR: join(tmpdir(), "zk0-e2e-cache") };

/** A server in this process, and `zk0` beside it. */
async function serve(allowFlowerNodes: boolean) {
	const dir = await mkdtemp(join(tmpdir(), "zk0-flower-"));
	const host = captureHost({ cwd: dir, env });
	const output = createOutput(host, { json: false, quiet: false });
	const settings = { listen: "127.0.0.1", port: 0, address: "127.0.0.1", allowFlowerNodes };
	const serving = serveFederation(serverHome(host, "server"), settings, { host, output });
	while (!host.out().includes("serving at"))
		await Promise.race([serving, new Promise((resolve) => setTimeout(resolve, 20))]);
	return {
		dir,
		async zk0(...words: string[]) {
			const caller = captureHost({ cwd: dir, env });
			const all = [...words, "--state", "server", "--json"];
			const code = await runCli(all, caller, { commands: COMMANDS, version: VERSION });
			return code === 0 ? JSON.parse(caller.out()) : { code, text: caller.err() };
		},
		async [Symbol.asyncDispose]() {
			host.interrupt("done");
			await serving;
			await rm(dir, { recursive: true });
		},
	};
}

test("a key that the operator added joins, is marked as not signed, and gets the app of the run", async () => {
	await using place = await serve(true);
	const identity = createNodeIdentity();
	await writeFile(join(place.dir, "hall.pub"), openSshPublicKey(identity.publicKeyPem, "hall"));
	expect(await place.zk0("server", "add", "hall", "hall.pub")).toEqual({ site: "hall", signs: false });
	expect(await place.zk0("server", "add", "barn", "hall.pub")).toMatchObject({
		code: 12,
		text: expect.stringContaining("that of hall already"),
	});
	const { invitation } = await place.zk0("server", "invite");
	const { host, port, trust } = parseInvitation(invitation);
	const rootCertificates = await fetchAuthority({
		host,
		port,
		fingerprint: trust,
		timeoutMs: 5000,
	});
	await using channel = grpcTransport({ host, port, security: { rootCertificates } });
	const calls = authenticated(channel, identity, () => Date.now());
	const publicKey = Buffer.from(identity.publicKeyPem);
	const { nodeId } = await calls.unary(Fleet.method.activateNode, { publicKey, heartbeatInterval: 30 });
	const node = { nodeId };
	const { sites } = await place.zk0("status");
	expect(sites).toMatchObject([{ site: "hall", signs: false, isOnline: true, numSamples: null }]);
	const run = ["run", "--preset", "tiny", "--init", "random", "--rounds", "1", "--detach", "--fab", APP];
	expect(await place.zk0(...run, "--update-dtype", "bfloat16")).toMatchObject({
		text: expect.stringContaining("cannot read bfloat16"),
	});
	expect(await place.zk0(...run)).toHaveProperty("runId");
	let runId: bigint | undefined;
	while (runId === undefined) {
		const { messagesList } = await calls.unary(Fleet.method.pullMessages, { node });
		runId = messagesList[0]?.metadata?.runId;
	}
	const bundle = await loadAppBundle(APP);
	const answer = await calls.unary(Fleet.method.getFab, { node, runId, hashStr: bundle.hash });
	expect(Buffer.compare(answer.fab?.content ?? new Uint8Array(0), bundle.content)).toBe(0);
});

test("a server that was not told to refuses them", async () => {
	await using place = await serve(false);
	await writeFile(join(place.dir, "hall.pub"), createNodeIdentity().publicKeyPem);
	expect(await place.zk0("server", "add", "hall", "hall.pub")).toMatchObject({
		code: 12,
		text: expect.stringContaining("--allow-flower-nodes"),
	});
});
