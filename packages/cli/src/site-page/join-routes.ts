// The steps of joining, on the site's page. Each answers at once; work that takes its time is seen on the page's stream.
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import { json, type Route, route } from "../http/route.ts";
import { findDatasets } from "./find-datasets.ts";
import { proposeCameras } from "./join-draft.ts";
import type { SitePageParts } from "./routes.ts";

const MAX_TEXT = 4000;
const text = z.string().trim().min(1).max(MAX_TEXT);
const model = z.enum(["small", "full"]);
const invitationBody = z.object({ line: text });
const nameBody = z.object({ name: text });
const dataBody = z.object({ uri: text });
const camerasBody = z.object({ model, cameras: z.record(z.string().max(200), z.string().max(200)) });
const acceptBody = z.object({ accepts: z.boolean() });
const trialBody = z.object({ threads: z.int().min(1).max(256) });

/** The routes. */
export function joinRoutes({ draft, host, folder }: SitePageParts): readonly Route[] {
	/** A step that only begins something. */
	const step = <Body>(path: string, schema: z.ZodType<Body>, begin: (body: Body) => void): Route =>
		route("POST", `/api/join/${path}`, "operator", async ({ body }) => {
			begin(schema.parse(body));
			return json({});
		});
	const nothing = z.unknown();
	return [
		step("invitation", invitationBody, ({ line }) => draft.invite(line)),
		step("name", nameBody, ({ name }) => draft.name(name)),
		step("data", dataBody, ({ uri }) => draft.chooseData(uri)),
		step("cameras", camerasBody, ({ model: chosen, cameras }) => draft.chooseCameras(chosen, cameras)),
		step("doctor", nothing, () => draft.examine()),
		step("accept", acceptBody, ({ accepts }) => draft.acceptErrors(accepts)),
		step("trial", trialBody, ({ threads }) => draft.try(threads)),
		step("enter", nothing, () => draft.enter()),
		route("GET", "/api/join/pictures", "viewer", async () => json(await draft.pictures())),
		route("GET", "/api/join/proposal", "viewer", async ({ query }) => {
			const cameras = draft.view().data?.facts?.cameras ?? [];
			return json(proposeCameras(cameras, model.parse(query.get("model"))));
		}),
		route("GET", "/api/datasets", "viewer", async ({ query, signal }) => {
			const own = folder === undefined ? homedir() : resolve(host.cwd, folder);
			const roots = folder === undefined ? [own, lerobotHome(host.env)] : [own];
			return json(await findDatasets(query.get("in"), roots, signal));
		}),
	];
}

/** Where LeRobot records to by default. */
function lerobotHome(env: Readonly<Record<string, string | undefined>>): string {
	const cache = env["HF_HOME"] ?? join(homedir(), ".cache", "huggingface");
	return env["HF_LEROBOT_HOME"] ?? join(cache, "lerobot");
}
