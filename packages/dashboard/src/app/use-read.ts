// Views that a page reads beside its stream.
import { useEffect, useRef, useState } from "preact/hooks";
import type { z } from "zod";
import { read, wordsOf } from "./api.ts";
import { useSignedOut } from "./session.ts";
import { isPassing, isSignedOut, RETRY_MS } from "./stream.ts";

/** What is known of a view. */
export interface Reading<T> {
	/** Null: nothing yet. */
	readonly data: T | null;
	/** Why it is not known; null: it is, or will be. */
	readonly error: string | null;
}

/**
 * A view that is read once and again whenever `key` changes. A change while it is being read is answered by reading once
 * more and not by beginning anew: over a slow line, that would never end. While the server is away it is tried again.
 */
export function useRead<T>(path: string | null, schema: z.ZodType<T>, key: unknown = null): Reading<T> {
	const onSignedOut = useSignedOut();
	const [state, setState] = useState<Reading<T> & { readonly path: string | null }>({
		path: null,
		data: null,
		error: null,
	});
	const reader = useRef({ key, again: (): void => undefined });
	useEffect(() => {
		if (path === null) return undefined;
		const stop = new AbortController();
		const { signal } = stop;
		let isReading = false;
		let isOld = false;
		let timer = 0;
		const failed = (error: unknown): void => {
			if (signal.aborted) return;
			if (isSignedOut(error)) return onSignedOut();
			setState({ path, data: null, error: wordsOf(error) });
			if (isPassing(error)) timer = setTimeout(again, RETRY_MS);
		};
		function again(): void {
			clearTimeout(timer);
			isOld = isReading;
			if (isReading) return;
			isReading = true;
			read(path ?? "", schema, signal)
				.then((data) => {
					if (!signal.aborted) setState({ path, data, error: null });
				})
				.catch(failed)
				.finally(() => {
					isReading = false;
					if (isOld && !signal.aborted) again();
				});
		}
		reader.current = { key, again };
		again();
		return () => {
			stop.abort();
			clearTimeout(timer);
		};
	}, [path, schema, onSignedOut]);
	useEffect(() => {
		if (reader.current.key === key) return;
		reader.current.key = key;
		reader.current.again();
	}, [key]);
	// What belongs to another path is old.
	return state.path === path ? state : { data: null, error: null };
}
