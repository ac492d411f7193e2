// A page's stream of events for as long as somebody looks at it. Browsers reconnect a stream that broke by themselves, but
// not one that was refused: this finds out whether the session has ended, or tries again. A hidden tab lets go of its
// connection: a browser has six for each host, and a stream takes one of them for good.
import { ApiError } from "./api.ts";
import { readSession } from "./session.ts";

/** How a page's connection is. */
export type Link = "connecting" | "live" | "lost";

/** What to follow. */
export interface FollowOptions {
	/** Reads what has to be known before, and says where the stream is; asked again for every connection. */
	readonly begin: (signal: AbortSignal) => Promise<string>;
	/** Takes a message's data, by the message's name; `id` is that of the last message that had one. */
	readonly on: Readonly<Record<string, (data: unknown, id: string) => void>>;
	readonly onLink: (link: Link) => void;
	/** Is told why there is nothing to follow; it is not tried again. */
	readonly onFailure: (error: unknown) => void;
	readonly onSignedOut: () => void;
}

/** A stream that is followed. */
export interface Following {
	/** Begins anew at once. */
	restart(): void;
	/** Ends it for good. */
	close(): void;
}

/** Time until the next try, where trying again may help. */
export const RETRY_MS = 2000;

/** Follows a stream until it is closed. */
export function followStream({ begin, on, onLink, onFailure, onSignedOut }: FollowOptions): Following {
	/** Aborts what belongs to the connection of now. */
	let current = new AbortController();
	const again = (signal: AbortSignal): void => {
		const timer = setTimeout(open, RETRY_MS);
		signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
	};
	const failed = (error: unknown, signal: AbortSignal): void => {
		if (signal.aborted) return;
		if (isSignedOut(error)) onSignedOut();
		else if (isPassing(error)) {
			onLink("lost");
			again(signal);
		} else onFailure(error);
	};
	const refused = (signal: AbortSignal): void => {
		readSession(signal)
			.then((session) => {
				if (signal.aborted) return;
				if (session === null) onSignedOut();
				else again(signal);
			})
			.catch((error: unknown) => failed(error, signal));
	};
	const connect = (path: string, signal: AbortSignal): void => {
		if (signal.aborted) return;
		const source = new EventSource(path);
		signal.addEventListener("abort", () => source.close(), { once: true });
		source.addEventListener("open", () => onLink("live"));
		source.addEventListener("error", () => {
			onLink("lost");
			if (source.readyState === EventSource.CLOSED) refused(signal);
		});
		for (const [name, take] of Object.entries(on))
			source.addEventListener(name, (message: MessageEvent<string>) => {
				try {
					take(JSON.parse(message.data), message.lastEventId);
				} catch (error) {
					onFailure(error);
				}
			});
	};
	function open(): void {
		current.abort();
		current = new AbortController();
		const { signal } = current;
		if (document.hidden) return;
		begin(signal)
			.then((path) => connect(path, signal))
			.catch((error: unknown) => failed(error, signal));
	}
	document.addEventListener("visibilitychange", open);
	open();
	return {
		restart: open,
		close() {
			document.removeEventListener("visibilitychange", open);
			current.abort();
		},
	};
}

/** True when nobody is signed in any more. */
export function isSignedOut(error: unknown): boolean {
	return error instanceof ApiError && error.status === 401;
}

/** True when the server cannot be reached now: trying again may help. */
export function isPassing(error: unknown): boolean {
	if (!(error instanceof ApiError)) return error instanceof TypeError;
	return error.status === null || (error.status >= 502 && error.status <= 504);
}
