// What is known of the site now: sent whole whenever something has changed, over one stream.
import { type SitePageView, sitePageViewSchema } from "@zk0/dashboard/views";
import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import { problemIn, take, wordsOf } from "../api.ts";
import { useSignedOut } from "../session.ts";
import { followStream, type Link } from "../stream.ts";

/** What is known now. */
export interface SiteLive {
	/** Null: not yet. */
	readonly view: SitePageView | null;
	readonly link: Link;
	/** Why there is nothing. */
	readonly error: string | null;
}

const NOTHING: SiteLive = { view: null, link: "connecting", error: null };

/** What the pages read. */
export const SiteContext = createContext<SiteLive>(NOTHING);

/** What is known now. */
export function useSite(): SiteLive {
	return useContext(SiteContext);
}

/** Follows the site. */
export function useFollowSite(): SiteLive {
	const [live, setLive] = useState<SiteLive>(NOTHING);
	const onSignedOut = useSignedOut();
	useEffect(() => {
		const put = (part: Partial<SiteLive>): void => setLive((before) => ({ ...before, ...part }));
		const following = followStream({
			begin: () => Promise.resolve("/api/stream"),
			on: {
				site: (data) => put({ view: take(sitePageViewSchema, data), error: null }),
				problem: (data) => put({ error: problemIn(data) }),
			},
			onLink: (link) => put({ link }),
			onFailure: (error) => put({ error: wordsOf(error) }),
			onSignedOut,
		});
		return () => following.close();
	}, [onSignedOut]);
	return live;
}
