// What the episode viewer's pages ask for. Episodes, cameras and models go by their numbers and names; no path ever comes
// from a request.
import type { Clock } from "@zk0/federation";
import { z } from "zod";
import { json, type Route, route, type StreamMessage } from "../http/route.ts";
import type { ViewedModel } from "./models.ts";
import type { Predictor } from "./predictor.ts";
import type { Recordings } from "./recordings.ts";

/** What the routes serve. */
export interface ViewerSources {
	readonly recordings: Recordings;
	readonly predictor: Predictor;
	/** What can be chosen, now. */
	readonly models: () => Promise<readonly ViewedModel[]>;
	readonly clock: Clock;
}

const number = z.coerce.number<string>().int().nonnegative();
/** Time between two looks at the predictions under way. */
const LOOK_MS = 250;

/** The routes; `open` gives what there is to see, or says why there is nothing. */
export function viewerRoutes(open: () => Promise<ViewerSources>): readonly Route[] {
	return [
		route("GET", "/api/recordings", "viewer", async () => {
			const { recordings, models } = await open();
			const shown = (await models()).map(({ id, label, round }) => ({ id, label, round }));
			return json({ ...recordings.describe(), models: shown });
		}),
		route("GET", "/api/episodes/:episode", "viewer", async ({ params }) => {
			const { recordings } = await open();
			return json(await recordings.episode(number.parse(params["episode"])));
		}),
		route("GET", "/api/episodes/:episode/videos/:camera", "viewer", async ({ params }) => {
			const { recordings } = await open();
			return { kind: "media", ...recordings.video(number.parse(params["episode"]), params["camera"] ?? "") };
		}),
		route("GET", "/api/episodes/:episode/pictures/:camera/:frame", "viewer", async ({ params, signal }) => {
			const place = {
				episode: number.parse(params["episode"]),
				camera: params["camera"] ?? "",
				frame: number.parse(params["frame"]),
			};
			const { recordings } = await open();
			return { kind: "bytes", bytes: await recordings.picture(place, signal), type: "image/png" };
		}),
		route("GET", "/api/predictions/:model/:episode", "viewer", async ({ params }) => {
			const { predictor } = await open();
			return json(await predictor.state(params["model"] ?? "", number.parse(params["episode"])));
		}),
		route("POST", "/api/predictions/:model/:episode", "operator", async ({ params }) => {
			const { predictor } = await open();
			await predictor.start(params["model"] ?? "", number.parse(params["episode"]));
			return json({});
		}),
		route("DELETE", "/api/predictions/:model/:episode", "operator", async ({ params }) => {
			const { predictor } = await open();
			predictor.cancel(params["model"] ?? "", number.parse(params["episode"]));
			return json({});
		}),
		route("GET", "/api/predictions", "viewer", async ({ signal }) => {
			const { predictor, clock } = await open();
			return { kind: "stream", messages: streamProgress(predictor, clock, signal) };
		}),
	];
}

/** What is under way, whenever it changes; ends with the predictor, so that the reader comes back to the one that took its place. */
async function* streamProgress(
	predictor: Predictor,
	clock: Clock,
	signal: AbortSignal,
): AsyncGenerator<StreamMessage> {
	let lastVersion = -1;
	while (!signal.aborted && !predictor.isClosed) {
		const { version } = predictor;
		if (version !== lastVersion) yield { event: "progress", data: predictor.progress() };
		lastVersion = version;
		await clock.sleep(LOOK_MS, { signal }).catch((error: unknown) => {
			if (!signal.aborted) throw error;
		});
	}
}
