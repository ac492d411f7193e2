// A prediction as the page knows it: where it stands, how far it is, and asking for it.
import {
	type PredictionProgress,
	type PredictionState,
	predictionProgressSchema,
	predictionStateSchema,
} from "@zk0/dashboard/views";
import { useEffect, useState } from "preact/hooks";
import { z } from "zod";
import { change, take, wordsOf } from "../api.ts";
import { pathOf } from "../location.ts";
import { useSession, useSignedOut } from "../session.ts";
import { followStream } from "../stream.ts";
import { useRead } from "../use-read.ts";

/** A prediction and what can be done about it. */
export interface Prediction {
	/** Null: not known yet. */
	readonly state: PredictionState | null;
	/** Why it is not known, or was not begun. */
	readonly error: string | null;
	readonly compute: () => void;
	readonly cancel: () => void;
}

/** What is under way at the server; null: not known yet, or not wanted. */
export function usePredictionProgress(isWanted: boolean): PredictionProgress | null {
	const [progress, setProgress] = useState<PredictionProgress | null>(null);
	const onSignedOut = useSignedOut();
	useEffect(() => {
		if (!isWanted) return undefined;
		const following = followStream({
			begin: () => Promise.resolve("/api/predictions"),
			on: { progress: (data) => setProgress(take(predictionProgressSchema, data)) },
			onLink: () => undefined,
			// Reading the prediction itself meets the same, and says it.
			onFailure: () => setProgress(null),
			onSignedOut,
		});
		return () => following.close();
	}, [isWanted, onSignedOut]);
	return progress;
}

/** The prediction of an episode by a model; without a model there is none. */
export function usePrediction(
	model: string | null,
	episode: number,
	progress: PredictionProgress | null,
): Prediction {
	const { csrfToken } = useSession();
	const [asked, setAsked] = useState(0);
	const [refusal, setRefusal] = useState<string | null>(null);
	const path = model === null ? null : pathOf("predictions", model, episode);
	useEffect(() => setRefusal(null), [path]);
	// Whenever one has come to an end, it may be this one.
	const { data, error } = useRead(path, predictionStateSchema, `${asked} ${progress?.numEnded}`);
	const ask = (method: "POST" | "DELETE"): void => {
		if (path === null) return;
		change(method, path, { csrfToken, schema: z.unknown() })
			.then(() => setAsked((before) => before + 1))
			.catch((failure: unknown) => setRefusal(wordsOf(failure)));
	};
	const underWay = progress?.underWay.find((one) => one.model === model && one.episode === episode);
	const now: PredictionState | null =
		data?.kind === "running" && underWay !== undefined
			? { kind: "running", done: underWay.done, frames: underWay.frames }
			: data;
	return {
		state: now,
		error: refusal ?? error,
		compute: () => ask("POST"),
		cancel: () => ask("DELETE"),
	};
}
