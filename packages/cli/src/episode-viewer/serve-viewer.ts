// The viewer as a page of its own, on this machine only: for whoever has the link that is printed, until it is stopped.
import { sha256Hex } from "@zk0/arrays/node";
import { viewerAppDirectory } from "@zk0/dashboard/node";
import type { Host } from "../host.ts";
import { countAttempts } from "../http/attempts.ts";
import { isSameSecret } from "../http/guard.ts";
import { HttpError } from "../http/http-error.ts";
import { listenHttp } from "../http/listener.ts";
import { newSecret } from "../http/one-time-codes.ts";
import type { Principal } from "../http/route.ts";
import { type SignIn, sessionRoutes } from "../http/session-routes.ts";
import { createSessions } from "../http/sessions.ts";
import { readStaticFiles } from "../http/static-files.ts";
import type { Viewer } from "./viewer.ts";
import { viewerRoutes } from "./viewer-routes.ts";

/** Whoever has the link. */
const OWNER: Principal = { name: "owner", role: "operator" };

/** Where and how it is served. */
export interface ServeViewerOptions {
	/** 0: any free port. */
	readonly port: number;
	readonly host: Host;
	/** Is told the link when it can be opened. */
	readonly onReady: (link: string) => void;
	/** Is told of faults of this side. */
	readonly onFault: (error: unknown) => void;
}

/** Serves until the host's signal aborts. @throws CliError "bad-config" for a port in use */
export async function serveViewer(
	viewer: Viewer,
	{ port, host, onReady, onFault }: ServeViewerOptions,
): Promise<void> {
	const secret = newSecret();
	const attempts = countAttempts(() => host.now());
	const signIn: SignIn = async (given, peer) => {
		attempts.check(peer);
		if (isSameSecret(given, secret)) return OWNER;
		attempts.fail(peer);
		throw new HttpError("unauthorised", "that is not the code of the link that `zk0 data view` printed");
	};
	// Viewers of several recordings may be open side by side.
	const { root } = viewer.recordings.viewed.dataset;
	const sessions = createSessions(() => host.now(), `zk0_viewer_${sha256Hex(root).slice(0, 8)}`);
	await using listener = await listenHttp(
		{
			routes: [...sessionRoutes(signIn, sessions), ...viewerRoutes(async () => viewer)],
			files: await readStaticFiles(viewerAppDirectory()),
			sessions,
			ofToken: () => undefined,
			// What can be asked for changes nothing but what is kept of predictions.
			onChange: () => Promise.resolve(),
			onFault,
		},
		{ host: "127.0.0.1", port, portOption: "--port", names: [], certificate: null },
	);
	onReady(`http://127.0.0.1:${listener.port}/#code=${secret}`);
	await new Promise<void>((resolve) => {
		if (host.signal.aborted) resolve();
		else host.signal.addEventListener("abort", () => resolve(), { once: true });
	});
}
