// The site's page as a process: a listener on this machine only, a link that opens it once, until it is told to stop.
import { sha256Hex } from "@zk0/arrays/node";
import { siteAppDirectory } from "@zk0/dashboard/node";
import { createSiteViewer } from "../episode-viewer/site-viewer.ts";
import type { Host } from "../host.ts";
import { countAttempts } from "../http/attempts.ts";
import { HttpError } from "../http/http-error.ts";
import { type HttpSite, listenHttp } from "../http/listener.ts";
import { createOneTimeCodes } from "../http/one-time-codes.ts";
import type { Principal } from "../http/route.ts";
import { type SignIn, sessionRoutes } from "../http/session-routes.ts";
import { createSessions } from "../http/sessions.ts";
import { readStaticFiles } from "../http/static-files.ts";
import type { ClientHome } from "../network/home.ts";
import type { Output } from "../output.ts";
import { JoinDraft } from "./join-draft.ts";
import { type SitePageParts, sitePageRoutes } from "./routes.ts";

/** An open page. */
export interface SitePage extends AsyncDisposable {
	readonly port: number;
	/** Opens the page, once and within ten minutes. */
	readonly link: string;
}

/** What a page needs. */
export interface SitePageOptions {
	readonly home: ClientHome;
	/** 0: the system chooses. */
	readonly port: number;
	/** An invitation to begin with. */
	readonly invitation?: string | undefined;
	/** Where datasets are looked for. @default the owner's home */
	readonly folder?: string | undefined;
	readonly host: Host;
	readonly output: Output;
}

/** Whoever started the page on this machine. */
const OWNER: Principal = { name: "owner", role: "operator" };

/** Opens the page. @throws CliError "bad-config" for a port in use */
export async function openSitePage(options: SitePageOptions): Promise<SitePage> {
	const { home, port, host, output, folder } = options;
	const now = (): number => host.now();
	const codes = createOneTimeCodes(now);
	// A server's dashboard on this machine, and the page of another site, have other cookies.
	const sessions = createSessions(now, `zk0_site_${sha256Hex(home.dir).slice(0, 8)}`);
	const onFault = (error: unknown): void =>
		output.line(`fault: ${error instanceof Error ? error.stack : String(error)}`);
	const draft = new JoinDraft({ home, host, onFault });
	if (options.invitation !== undefined) draft.invite(options.invitation);
	const viewer = createSiteViewer({ home, host, output });
	const parts: SitePageParts = { home, host, output, viewer, draft, folder };
	const site: HttpSite = {
		routes: [
			...sessionRoutes(
				signInWith((secret) => codes.take(secret), now),
				sessions,
			),
			...sitePageRoutes(parts),
		],
		files: await readStaticFiles(siteAppDirectory()),
		sessions,
		ofToken: () => undefined,
		onChange: async (_, { method, path }) => output.line(`asked for: ${method} ${path}`),
		onFault,
	};
	const address = { host: "127.0.0.1", port, portOption: "--port", names: [], certificate: null };
	const listener = await listenHttp(site, address);
	return {
		port: listener.port,
		// What follows the # stays in the browser: it is in no log and in no request line.
		link: `http://127.0.0.1:${listener.port}/#code=${codes.make().code}`,
		async [Symbol.asyncDispose]() {
			await listener[Symbol.asyncDispose]();
			await viewer[Symbol.asyncDispose]();
			await draft[Symbol.asyncDispose]();
		},
	};
}

function signInWith(take: (secret: string) => boolean, now: () => number): SignIn {
	const attempts = countAttempts(now);
	return async (secret, peer) => {
		attempts.check(peer);
		if (take(secret)) return OWNER;
		attempts.fail(peer);
		throw new HttpError("unauthorised", "the link was used or is too old; start `zk0 client page` again");
	};
}
