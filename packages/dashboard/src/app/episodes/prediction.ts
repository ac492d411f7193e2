// A prediction as the page knows it: where it stands, how far it is, and asking for it.
import {
	type PredictionProgress,
	type PredictionState,
	predictionProgressSchema,
	predictionStateSchema,
} from "@zk0/dashboard/views";
import { useEffect, useState } from "preact/hooks";
import { z } from "zod";
import { change } from "../api.ts";
import { useRead } from "../live.ts";
import { pathOf } from "../location.ts";
import { useSession } from "../session.ts";

/** A prediction and what can be done about it. */
export interface Prediction {
	/** Null: not known yet. */
	readonly state: PredictionState | null;
	/** Why it is not known, or was not begun. */
	readonly error: string | null;
	readonly compute: () => void;
	readonly cancel: () => void;
}

/** What is under way at the server; null: not known yet. */
export function usePredictionProgress(): PredictionProgress | null {
	const [progress, setProgress] = useState<PredictionProgress | null>(null);
	useEffect(() => {
		const source = new EventSource("/api/predictions");
		source.addEventListener("progress", (message: MessageEvent<string>) => {
			const parsed = predictionProgressSchema.safeParse(JSON.parse(message.data));
			if (parsed.success) setProgress(parsed.data);
		});
		return () => source.close();
	}, []);
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
			.catch((failure: unknown) => setRefusal(failure instanceof Error ? failure.message : String(failure)));
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
