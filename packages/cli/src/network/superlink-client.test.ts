// Joining a Flower SuperLink from the command line, with a Fleet API that answers as Flower's does with node authentication.
// With a real one: e2e/interop.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FlowerError, fleetRoutes, loadNodeIdentity, openSshPublicKey } from "@zk0/flower";
import { serveGrpc } from "@zk0/flower/node";
import { expect, test } from "vitest";
import { COMMANDS } from "../commands/index.ts";
import { createOutput } from "../output.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { VERSION } from "../version.ts";
import { serveTasks } from "./client-process.ts";
import { clientHome } from "./home.ts";
import { parseAddress } from "./host-port.ts";

const DATA = "sim:site-a?episodes=5&seed=7&size=96x96";
const env = { ZK0_CACHE_DIR: join(tmpdir(), "zk0-e2e-cache") };

const refuse = (text: string) => async (): Promise<never> => {
	throw new FlowerError("failed-precondition", text);
};

test("joining keeps key, model and settings, and the client waits until its key is registered", async () => {
	const dir = await mkdtemp(join(tmpdir(), "zk0-superlink-"));
	const registerNode = refuse("All SuperNodes must be registered via the CLI.");
	const handlers = {
		registerNode,
		activateNode: refuse("No SuperNode found with the given public key."),
		deactivateNode: registerNode,
		unregisterNode: registerNode,
		sendNodeHeartbeat: registerNode,
		pullMessages: registerNode,
		confirmMessageReceived: registerNode,
		pullObject: registerNode,
		pushMessages: registerNode,
		pushObject: registerNode,
		getRun: registerNode,
		getFab: registerNode,
	};
	const options = { now: () => Date.now(), nodeIdOf: () => undefined, onFault: () => undefined };
	const routes = fleetRoutes(handlers, options);
	await using superlink = await serveGrpc(routes, { host: "127.0.0.1", port: 0, security: "plaintext" });
	const address = `127.0.0.1:${superlink.port}`;
	const joinWith = async (...words: string[]) => {
		const host = captureHost({ cwd: dir, env });
		const own = ["--state", "c", "--name", "ann", "--preset", "tiny", "--init", "random", "--json"];
		const code = await runCli(["client", "join-superlink", ...words, ...own], host, {
			commands: COMMANDS,
			version: VERSION,
		});
		return code === 0 ? JSON.parse(host.out()) : host.err();
	};
	try {
		expect(await joinWith("fl.example.org:1", DATA, "--plaintext")).toContain("could be read by others");
		expect(await joinWith(address, DATA, "--root-certificates", "none.pem")).toContain("there is no");
		const joined = await joinWith(address, DATA, "--plaintext", "--local-steps", "4");
		expect(joined).toMatchObject({
			site: "ann",
			server: address,
			refusal: expect.stringContaining("via the CLI"),
		});
		const host = captureHost({ cwd: dir, env });
		const home = clientHome(host, "c");
		const identity = loadNodeIdentity(await readFile(home.key, "utf8"));
		expect(await readFile(joined.publicKeyFile, "utf8")).toBe(
			`${openSshPublicKey(identity.publicKeyPem, "ann")}\n`,
		);
		const { superlink: kept } = JSON.parse(await readFile(home.settings, "utf8"));
		expect(kept).toMatchObject({ localSteps: 4, setup: { start: { init: "random", preset: "tiny" } } });
		const output = createOutput(host, { json: false, quiet: false });
		const serving = serveTasks(home, undefined, { host, output });
		while (!host.out().includes("waiting for approval: No SuperNode found"))
			await Promise.race([serving, new Promise((resolve) => setTimeout(resolve, 20))]);
		host.interrupt("done");
		await serving;
		await writeFile(home.settings, JSON.stringify({ superlink: null }));
		await expect(serveTasks(home, undefined, { host, output })).rejects.toMatchObject({
			code: "state-damaged",
		});
	} finally {
		await rm(dir, { recursive: true });
	}
});

test("rounds for a SuperLink are refused where its API could be read, and for what its nodes cannot do", async () => {
	const refusal = async (...words: string[]): Promise<string> => {
		const host = captureHost({ cwd: tmpdir(), env });
		expect(await runCli(["run", ...words], host, { commands: COMMANDS, version: VERSION })).not.toBe(0);
		return host.err();
	};
	expect(await refusal("--superlink", "fl.example.org:9091")).toContain("no TLS");
	expect(await refusal("--superlink", "127.0.0.1:9091", "--update-dtype", "bfloat16")).toContain("bfloat16");
});

test("an address is a host and a port", () => {
	expect(parseAddress("[::1]:9092")).toEqual({ host: "::1", port: 9092 });
	for (const bad of ["fl.example.org", "x:0", "x:99999", "http://x:1"])
		expect(() => parseAddress(bad)).toThrow("is not <host>:<port>");
});
