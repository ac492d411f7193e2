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

/** A view that is read once and again whenever `key` changes; null: none is. */
export function useRead<T>(path: string | null, schema: z.ZodType<T>, key: unknown = null): Reading<T> {
	return useLoaded(path, (signal) => read(path ?? "", schema, signal), key);
}

/**
 * What `load` brings, once and again whenever `key` changes; `name` says what it is, null: nothing. A change while it is
 * being loaded is answered by loading once more and not by beginning anew: over a slow line, that would never end. While
 * the server is away it is tried again, and what is known stays.
 */
export function useLoaded<T>(
	name: string | null,
	load: (signal: AbortSignal) => Promise<T>,
	key: unknown,
): Reading<T> {
	const onSignedOut = useSignedOut();
	const [state, setState] = useState<Reading<T> & { readonly name: string | null }>({
		name: null,
		data: null,
		error: null,
	});
	const reader = useRef({ key, load, again: (): void => undefined });
	reader.current.load = load;
	useEffect(() => {
		if (name === null) return undefined;
		const stop = new AbortController();
		const { signal } = stop;
		let isReading = false;
		let isOld = false;
		let timer = 0;
		const failed = (error: unknown): void => {
			if (signal.aborted) return;
			if (isSignedOut(error)) return onSignedOut();
			const failure = { name, data: null, error: wordsOf(error) };
			if (!isPassing(error)) return setState(failure);
			setState((before) => (before.name === name && before.data !== null ? before : failure));
			timer = setTimeout(again, RETRY_MS);
		};
		function again(): void {
			clearTimeout(timer);
			isOld = isReading;
			if (isReading) return;
			isReading = true;
			reader.current
				.load(signal)
				.then((data) => {
					if (!signal.aborted) setState({ name, data, error: null });
				})
				.catch(failed)
				.finally(() => {
					isReading = false;
					if (isOld && !signal.aborted) again();
				});
		}
		Object.assign(reader.current, { key, again });
		again();
		return () => {
			stop.abort();
			clearTimeout(timer);
		};
	}, [name, onSignedOut]);
	useEffect(() => {
		if (reader.current.key === key) return;
		reader.current.key = key;
		reader.current.again();
	}, [key]);
	// What belongs to another name is old.
	return state.name === name ? state : { data: null, error: null };
}
