// What a page knows of the federation: the run's view once, then its events as they happen, folded here by the same code
// that folds them on the server. One stream per page; a new connection says what the page has seen.
import {
	asServed,
	foldRun,
	type RunView,
	runViewSchema,
	type ServerStatus,
	serverStatusSchema,
} from "@zk0/dashboard/views";
import { roundEventSchema } from "@zk0/federation/events";
import { createContext } from "preact";
import { useContext, useEffect, useMemo, useState } from "preact/hooks";
import { z } from "zod";
import { ApiError, read, take, wordsOf } from "./api.ts";
import { useSignedOut } from "./session.ts";
import { followStream, type Link } from "./stream.ts";

/** What is known now. */
export interface Live {
	/** Null: not yet. */
	readonly status: ServerStatus | null;
	/** Id of the run of the page; null: none. */
	readonly runId: string | null;
	/** What is known of it; null: nothing yet. */
	readonly run: RunView | null;
	readonly link: Link;
	/** Why there is nothing. */
	readonly error: string | null;
}

const NOTHING: Live = { status: null, runId: null, run: null, link: "connecting", error: null };

/** What the pages read. */
export const LiveContext = createContext<Live>(NOTHING);

/** What is known now. */
export function useLive(): Live {
	return useContext(LiveContext);
}

const snapshotSchema = z.object({ numEvents: z.number(), view: runViewSchema });

/** Follows the federation and one of its runs. */
export function useFollow(runId: string | null): Live {
	const [live, setLive] = useState<Live>(NOTHING);
	const onSignedOut = useSignedOut();
	useEffect(() => {
		const put = (part: Partial<Live>): void => setLive((before) => ({ ...before, ...part }));
		let view: RunView | null = null;
		let numSeen = 0;
		put({ runId, run: null, error: null });
		const following = followStream({
			async begin(signal) {
				if (runId === null) return "/api/stream";
				// What is known already goes on from there.
				if (view === null) {
					const snapshot = await snapshotOf(runId, signal);
					signal.throwIfAborted();
					if (typeof snapshot === "string") {
						put({ error: snapshot });
						return "/api/stream";
					}
					({ view, numEvents: numSeen } = snapshot);
					put({ run: view, error: null });
				}
				return `/api/stream?${new URLSearchParams({ run: runId, seen: String(numSeen) })}`;
			},
			on: {
				status: (data) => put({ status: take(serverStatusSchema, data) }),
				events(data, id) {
					if (view === null) return;
					for (const event of take(z.array(roundEventSchema), data)) foldRun(view, event);
					numSeen = Number(id);
					view = { ...view };
					put({ run: view });
				},
				reset() {
					view = null;
					following.restart();
				},
			},
			onLink: (link) => put({ link }),
			onFailure: (error) => put({ error: wordsOf(error) }),
			onSignedOut,
		});
		return () => following.close();
	}, [runId, onSignedOut]);
	const { status, run, runId: followed } = live;
	const state = status?.runs.find((one) => one.runId === followed)?.state;
	const served = useMemo(
		() => (run === null || followed === null || state === undefined ? run : asServed(run, followed, state)),
		[run, followed, state],
	);
	return { ...live, run: served };
}

/** The view, or why there is none: without the run, the rest of the federation can still be followed. @throws ApiError */
async function snapshotOf(
	runId: string,
	signal: AbortSignal,
): Promise<z.infer<typeof snapshotSchema> | string> {
	try {
		return await read(`/runs/${encodeURIComponent(runId)}`, snapshotSchema, signal);
	} catch (error) {
		if (error instanceof ApiError && error.status === 404) return error.message;
		throw error;
	}
}
