// The steps of joining when they are taken in another order than the page's: against a server in this process.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { callAdmin } from "../network/admin-client.ts";
import { clientHome, serverHome } from "../network/home.ts";
import { formatInvitation, parseInvitation } from "../network/invitation.ts";
import { serveFederation } from "../network/server-process.ts";
import { createOutput } from "../output.ts";
import { type CaptureHost, captureHost } from "../testing/capture-host.ts";
import { CACHE_ENV, DATA } from "../testing/join-site.ts";
import { JoinDraft } from "./join-draft.ts";

let dir: string;
let host: CaptureHost;
let serving: Promise<void>;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-draft-"));
	host = captureHost({ cwd: dir, env: CACHE_ENV });
	const output = createOutput(host, { json: false, quiet: false });
	const settings = { listen: "127.0.0.1", port: 0, address: "127.0.0.1" };
	serving = serveFederation(serverHome(host, "server"), settings, { host, output });
	while (!host.out().includes("serving at"))
		await Promise.race([serving, new Promise((resolve) => setTimeout(resolve, 20))]);
});
afterAll(async () => {
	host.interrupt("done");
	await serving;
	await rm(dir, { recursive: true });
});

/** An invitation as the server makes them; it does not know this one's secret. */
async function invitation(site: string): Promise<string> {
	const schema = z.object({ invitation: z.string() });
	const asked = { method: "POST", path: "/invitations", body: { site } } as const;
	const made = await callAdmin(serverHome(host, "server"), asked, schema, host.signal);
	return formatInvitation({ ...parseInvitation(made.invitation), secret: "guess" });
}

test("another invitation that comes while the site joins is not taken for joined when that ends", async () => {
	await using draft = new JoinDraft({ home: clientHome(host, "site"), host, onFault: () => undefined });
	const over = (part: "invitation" | "data" | "doctor"): Promise<void> =>
		expect.poll(() => draft.view()[part]?.job.state, { timeout: 20_000 }).toBe("done");
	draft.invite(await invitation("ann"));
	draft.chooseData(DATA);
	await Promise.all([over("invitation"), over("data")]);
	draft.chooseCameras("small", draft.view().cameras?.proposal ?? {});
	draft.examine();
	await over("doctor");
	draft.try(1);
	const second = await invitation("bob");
	draft.enter();
	expect(draft.view().entry?.job.state).toBe("running");
	draft.invite(second);
	// It fails at the server, which concerns the one before.
	await expect.poll(() => draft.view().entry, { timeout: 20_000 }).toBeNull();
	expect(draft.view().invitation?.site).toBe("bob");
});
