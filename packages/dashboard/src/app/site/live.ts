// What is known of the site now: sent whole whenever something has changed, over one stream that the browser reconnects.
import { type SitePageView, sitePageViewSchema } from "@zk0/dashboard/views";
import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import { readSession } from "../session.ts";

/** What is known now. */
export interface SiteLive {
	/** Null: not yet. */
	readonly view: SitePageView | null;
	readonly link: "connecting" | "live" | "lost";
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

const RETRY_MS = 2000;

/** Follows the site; `onSignedOut` is called when the session has ended. */
export function useFollowSite(onSignedOut: () => void): SiteLive {
	const [live, setLive] = useState<SiteLive>(NOTHING);
	useEffect(() => {
		const put = (part: Partial<SiteLive>): void => setLive((before) => ({ ...before, ...part }));
		let source: EventSource | null = null;
		let timer = 0;
		const look = (): void => {
			readSession()
				.then((session) => {
					if (session === null) onSignedOut();
					else timer = setTimeout(open, RETRY_MS);
				})
				// The command was stopped: it may be started again.
				.catch(() => {
					timer = setTimeout(look, RETRY_MS);
				});
		};
		const open = (): void => {
			source = new EventSource("/api/stream");
			source.addEventListener("open", () => put({ link: "live" }));
			source.addEventListener("error", () => {
				put({ link: "lost" });
				// One that was refused does not come back by itself: find out whether the session is over.
				if (source?.readyState === EventSource.CLOSED) look();
			});
			source.addEventListener("site", (message: MessageEvent<string>) => {
				const parsed = sitePageViewSchema.safeParse(JSON.parse(message.data));
				if (parsed.success) put({ view: parsed.data, error: null });
				else put({ error: "zk0 speaks a newer version than this page; load it again" });
			});
		};
		open();
		return () => {
			clearTimeout(timer);
			source?.close();
		};
	}, [onSignedOut]);
	return live;
}
