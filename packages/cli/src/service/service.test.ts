// Units that systemd itself accepts, and systemctl called as it should be.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { COMMANDS } from "../commands/index.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { VERSION } from "../version.ts";
import { type ServiceRole, type ServiceScope, unitName, unitText } from "./unit.ts";

const ANALYZE = "/usr/bin/systemd-analyze";
const MISSING = "systemd-analyze is not installed (apt-get install systemd)";
/** Exposure in tenths, as `systemd-analyze security` counts it; the rest is W^X, which a JIT compiler cannot have. */
const MOST_EXPOSED: Readonly<Record<ServiceRole, number>> = { server: 14, client: 17 };

let dir: string;
beforeEach(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-service-"));
});
afterEach(async () => {
	await rm(dir, { recursive: true });
});

const unit = (role: ServiceRole, scope: ServiceScope): string =>
	unitText({ role, scope, command: [process.execPath, "/usr/bin/env"], state: "/var/lib/zk0 x/100%" });

async function zk0(words: readonly string[], env: Record<string, string>) {
	const host = captureHost({ cwd: dir, env });
	const code = await runCli(words, host, { commands: COMMANDS, version: VERSION });
	return { code, out: host.out(), err: host.err() };
}

test("a unit restarts what fails, stops in time, and quotes its words", () => {
	const text = unit("server", "user");
	expect(text).toContain(
		`ExecStart=${process.execPath} /usr/bin/env server start --foreground --log json --state "/var/lib/zk0 x/100%%"`,
	);
	expect(text).toMatch(/Restart=on-failure[^]*WantedBy=default\.target/);
	expect(text).not.toContain("DynamicUser");
	expect(unit("client", "system")).not.toContain("PrivateDevices");
	expect(() =>
		unitText({ role: "server", scope: "user", command: ["a", "b"], state: "/x\nExecStart=evil" }),
	).toThrow(RangeError);
});

describe.skipIf(!existsSync(ANALYZE))(`with systemd's own checker (skipped when ${MISSING})`, () => {
	const cases = (["server", "client"] as const).flatMap((role) =>
		(["user", "system"] as const).map((scope) => [role, scope] as const),
	);
	test.each(cases)("%s, %s: verify finds nothing", async (role, scope) => {
		const path = join(dir, unitName(role));
		await writeFile(path, unit(role, scope));
		const { status, stderr } = spawnSync(ANALYZE, ["verify", "--man=no", "--recursive-errors=no", path], {
			encoding: "utf8",
			env: { ...process.env, SYSTEMD_LOG_LEVEL: "warning" },
		});
		expect(stderr.split("\n").filter((line) => line.includes("zk0-"))).toEqual([]);
		expect(status).toBe(0);
	});

	test.each(["server", "client"] as const)("%s: the exposure is as stated", async (role) => {
		const path = join(dir, unitName(role));
		await writeFile(path, unit(role, "system"));
		const most = String(MOST_EXPOSED[role]);
		const args = ["security", "--offline=yes", "--no-pager", `--threshold=${most}`, path];
		const { status, stdout } = spawnSync(ANALYZE, args, { encoding: "utf8" });
		expect(stdout).toMatch(/Overall exposure level for zk0-\w+\.service: \d\.\d (OK|SAFE)/);
		expect(status).toBe(0);
	});
});

describe("with a systemctl under the test's hand", () => {
	const env = () => ({ PATH: `${dir}:/usr/bin:/bin`, XDG_CONFIG_HOME: join(dir, "config"), ZK0_HOME: dir });
	const fake = (script: string) =>
		writeFile(join(dir, "systemctl"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
	const calls = async () => (await readFile(join(dir, "calls"), "utf8")).trimEnd().split("\n");

	test("install writes the unit and starts it, uninstall stops it and takes it away", async () => {
		await fake(`echo "$@" >> ${dir}/calls`);
		const path = join(dir, "config", "systemd", "user", "zk0-server.service");
		expect(await zk0(["service", "install", "server"], env())).toMatchObject({ code: 0, err: "" });
		expect(await readFile(path, "utf8")).toContain(`--state ${join(dir, "server")}`);
		await zk0(["service", "install", "server"], env());
		await zk0(["service", "install", "server", "--state", join(dir, "other")], env());
		expect(await zk0(["service", "uninstall", "server"], env())).toMatchObject({ code: 0 });
		expect(existsSync(path)).toBe(false);
		const installed = ["--user daemon-reload", "--user enable --now zk0-server.service"];
		expect(await calls()).toEqual([
			...installed,
			...installed,
			...installed,
			// Only what runs by another unit is started again.
			"--user restart zk0-server.service",
			"--user disable --now zk0-server.service",
			"--user daemon-reload",
		]);
	});

	test("status says what systemd says", async () => {
		await fake("printf 'LoadState=loaded\\nActiveState=active\\nMainPID=42\\nNRestarts=3\\n'");
		const { out } = await zk0(["service", "status", "client"], env());
		expect(out).toBe("zk0-client.service is active, process 42, restarted 3 times\n");
		await fake("printf 'LoadState=not-found\\nActiveState=inactive\\nMainPID=0\\nNRestarts=0\\n'");
		expect((await zk0(["service", "status", "client"], env())).out).toContain("is not installed");
	});

	test("what goes wrong is said with a way out; --print changes nothing", async () => {
		await fake("echo 'Failed to connect to bus' >&2; exit 1");
		const failed = await zk0(["service", "install", "client"], env());
		expect([failed.code, failed.err]).toEqual([12, expect.stringContaining("Failed to connect to bus")]);
		const gone = await zk0(["service", "status", "client"], { ...env(), PATH: "/nowhere" });
		expect(gone.err).toContain("no systemctl");
		const printed = await zk0(["service", "install", "server", "--system", "--print"], env());
		expect(printed.out).toContain("StateDirectory=zk0-server");
		expect((await zk0(["service", "install", "robot"], env())).code).toBe(2);
		expect((await zk0(["service", "install", "server", "--system", "--state", "x"], env())).code).toBe(2);
	});
});
