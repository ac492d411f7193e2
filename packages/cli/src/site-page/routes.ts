// The table of the site's page: one list of routes per page. A new page adds its list here and its parts to the parts.
import type { SiteViewer } from "../episode-viewer/site-viewer.ts";
import type { Host } from "../host.ts";
import type { Route } from "../http/route.ts";
import type { ClientHome } from "../network/home.ts";
import type { Output } from "../output.ts";
import { clientRoutes } from "./client-routes.ts";
import type { JoinDraft } from "./join-draft.ts";
import { joinRoutes } from "./join-routes.ts";

/** What the routes share. */
export interface SitePageParts {
	/** State of the site's client. */
	readonly home: ClientHome;
	readonly host: Host;
	/** For the terminal in which the page was started. */
	readonly output: Output;
	/** The site's recordings and models, to look at. */
	readonly viewer: SiteViewer;
	/** Joining, as far as it is. */
	readonly draft: JoinDraft;
	/** Where datasets are looked for; undefined: the owner's home. */
	readonly folder: string | undefined;
}

/** All routes but those of the session. */
export function sitePageRoutes(parts: SitePageParts): readonly Route[] {
	return [...clientRoutes(parts), ...joinRoutes(parts), ...parts.viewer.routes];
}
