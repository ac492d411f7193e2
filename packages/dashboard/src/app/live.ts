// What a page knows of the federation: the run's view once, then its events as they happen, folded here by the same code
// that folds them on the server. One stream per page; a new connection says what the page has seen.
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
import { read, take, wordsOf } from "./api.ts";
import { useSignedOut } from "./session.ts";
import { followStream, type Link } from "./stream.ts";

/** What is known now. */
export interface Live {
	/** Null: not yet. */
	readonly status: ServerStatus | null;
	/** The run of the page; null: none, or not yet. */
	readonly run: RunView | null;
	readonly link: Link;
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

/** Follows the federation and one of its runs. */
export function useFollow(runId: string | null): Live {
	const [live, setLive] = useState<Live>(NOTHING);
	const onSignedOut = useSignedOut();
	useEffect(() => {
		const put = (part: Partial<Live>): void => setLive((before) => ({ ...before, ...part }));
		let view: RunView | null = null;
		let numSeen = 0;
		put({ run: null, error: null });
		const following = followStream({
			async begin(signal) {
				if (runId === null) return "/api/stream";
				// What is known already goes on from there.
				if (view === null) {
					const snapshot = await read(`/runs/${encodeURIComponent(runId)}`, snapshotSchema, signal);
					signal.throwIfAborted();
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
	return live;
}
