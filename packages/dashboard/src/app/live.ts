// A page's connection to the federation: the run's view once, then its events as they happen, folded here by the same code
// that folds them on the server. One stream per page; the browser reconnects it by itself and says what it has seen.
import {
	foldRun,
	type RunView,
	runViewSchema,
	type ServerStatus,
	serverStatusSchema,
} from "@zk0/dashboard/views";
import { roundEventSchema } from "@zk0/federation/events";
import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import { z } from "zod";
import { ApiError, read } from "./api.ts";
import { readSession } from "./session.ts";

/** What is known now. */
export interface Live {
	/** Null: not yet. */
	readonly status: ServerStatus | null;
	/** The run of the page; null: none, or not yet. */
	readonly run: RunView | null;
	readonly link: "connecting" | "live" | "lost";
	/** Why there is nothing. */
	readonly error: string | null;
}

const NOTHING: Live = { status: null, run: null, link: "connecting", error: null };

/** What the pages read. */
export const LiveContext = createContext<Live>(NOTHING);

/** What is known now. */
export function useLive(): Live {
	return useContext(LiveContext);
}

const snapshotSchema = z.object({ numEvents: z.number(), view: runViewSchema });

/** Follows the federation and one of its runs; `onSignedOut` is called when the session has ended. */
export function useFollow(runId: string | null, onSignedOut: () => void): Live {
	const [live, setLive] = useState<Live>(NOTHING);
	useEffect(() => {
		const stop = new AbortController();
		const put = (part: Partial<Live>): void => {
			if (!stop.signal.aborted) setLive((before) => ({ ...before, ...part }));
		};
		const failed = (error: unknown): void => {
			if (stop.signal.aborted) return;
			if (error instanceof ApiError && error.status === 401) onSignedOut();
			else put({ error: error instanceof Error ? error.message : String(error) });
		};
		put({ run: null, error: null });
		follow(runId, put, { stop: stop.signal, failed }).catch(failed);
		return () => stop.abort();
	}, [runId, onSignedOut]);
	return live;
}

async function follow(
	runId: string | null,
	put: (part: Partial<Live>) => void,
	options: { readonly stop: AbortSignal; readonly failed: (error: unknown) => void },
): Promise<void> {
	const { stop, failed } = options;
	const path = runId === null ? null : `/runs/${encodeURIComponent(runId)}`;
	const snapshot = path === null ? null : await read(path, snapshotSchema, stop);
	if (stop.aborted) return;
	let view = snapshot?.view ?? null;
	put({ run: view, error: null });
	const wishes = new URLSearchParams(runId === null ? {} : { run: runId });
	if (snapshot !== null) wishes.set("seen", String(snapshot.numEvents));
	const source = new EventSource(`/api/stream?${wishes}`);
	stop.addEventListener("abort", () => source.close(), { once: true });
	const on = <T>(name: string, schema: z.ZodType<T>, take: (data: T) => void): void => {
		source.addEventListener(name, (message: MessageEvent<string>) => {
			const parsed = schema.safeParse(JSON.parse(message.data));
			if (parsed.success) take(parsed.data);
			else failed(new ApiError(200, "the server speaks a newer version than this page; load it again"));
		});
	};
	source.addEventListener("open", () => put({ link: "live" }));
	source.addEventListener("error", () => {
		put({ link: "lost" });
		// A server that refuses ends the stream for good: find out whether the session is over.
		if (source.readyState !== EventSource.CLOSED) return;
		readSession()
			.then((session) => {
				if (session === null) failed(new ApiError(401, "the session has ended"));
				else setTimeout(() => retry(), 2000);
			})
			.catch(failed);
	});
	const retry = (): void => {
		source.close();
		if (!stop.aborted) follow(runId, put, options).catch(failed);
	};
	on("status", serverStatusSchema, (status) => put({ status }));
	on("events", z.array(roundEventSchema), (events) => {
		if (view === null) return;
		for (const event of events) foldRun(view, event);
		view = { ...view };
		put({ run: view });
	});
	on("reset", z.unknown(), retry);
}

/** A view that is read once and again whenever `key` changes. */
export function useRead<T>(
	path: string | null,
	schema: z.ZodType<T>,
	key: unknown = null,
): { readonly data: T | null; readonly error: string | null } {
	const [state, setState] = useState<{ path: string | null; data: T | null; error: string | null }>({
		path: null,
		data: null,
		error: null,
	});
	useEffect(() => {
		if (path === null) return undefined;
		const stop = new AbortController();
		read(path, schema, stop.signal)
			.then((data) => setState({ path, data, error: null }))
			.catch((error: unknown) => {
				if (stop.signal.aborted) return;
				setState({ path, data: null, error: error instanceof Error ? error.message : String(error) });
			});
		return () => stop.abort();
	}, [path, schema, key]);
	// What belongs to another path is old.
	return state.path === path ? state : { data: null, error: null };
}
