// A site that joins a federation in a test: the recording that the end-to-end tests use, too, and a doctor who has looked already.
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DoctorBadge } from "@zk0/dashboard/status";
import type { ClientHome } from "../network/home.ts";
import type { Invitation } from "../network/invitation.ts";
import { joinFederation } from "../network/join.ts";
import type { ClientContext } from "../network/site-identity.ts";

/** The recording. */
export const DATA = "sim:site-a?episodes=5&seed=7&size=96x96";
/** Where that recording is kept between tests. */
export const CACHE_ENV = { ZK0_CACHE_DIR: join(tmpdir(), "zk0-e2e-cache") } as const;
/** What the doctor says of it. */
export const GOOD: DoctorBadge = { errors: 0, warnings: 0, infos: 0, fingerprint: "0".repeat(64) };

/** Joins with an invitation, under `site` when the invitation leaves the name open. */
export function joinSite(
	home: ClientHome,
	invitation: Invitation,
	context: ClientContext,
	{ site, badge = GOOD }: { readonly site?: string | undefined; readonly badge?: DoctorBadge } = {},
): ReturnType<typeof joinFederation> {
	const choices = {
		data: DATA,
		camera: null,
		threads: 1,
		device: "cpu",
		site,
		acceptsDataErrors: false,
	} as const;
	return joinFederation(home, invitation, choices, context, () => Promise.resolve(badge));
}
