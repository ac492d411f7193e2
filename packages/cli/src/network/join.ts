// Joining a federation: looks at the server, then lets the doctor look at the recordings, and only then makes the site known.
import type { DoctorBadge } from "@zk0/dashboard/status";
import { digestDataset } from "@zk0/dataset";
import { type DoctorReport, examineDataset, type Finding, reportOf } from "@zk0/doctor";
import { isSiteName } from "@zk0/federation";
import { authenticated, Fleet, FlowerError, type NodeIdentity, type Transport } from "@zk0/flower";
import { checkServer, fetchAuthority } from "@zk0/flower/node";
import { CliError } from "../cli-error.ts";
import { modelPurpose } from "../doctor/model-purpose.ts";
import { countsText, renderDoctorText } from "../doctor/report-text.ts";
import { createPaint } from "../progress/paint.ts";
import type { LocatedData } from "../sources/locate-data.ts";
import { type ClientHome, makePrivateFolder } from "./home.ts";
import { type Invitation, PLAINTEXT, SYSTEM } from "./invitation.ts";
import { readJsonFile, writePrivateJson } from "./private-file.ts";
import { CALL_TIMEOUT_MS, connect, requireTrust } from "./server-connection.ts";
import {
	type ClientContext,
	type ClientSettings,
	clientSettingsSchema,
	openData,
	ownIdentity,
} from "./site-identity.ts";

/** What the site decides. */
export interface JoinChoices extends Pick<ClientSettings, "data" | "camera" | "threads" | "device"> {
	/** Its name, where the invitation leaves it open. */
	readonly site: string | undefined;
	/** Join although the doctor finds errors. */
	readonly acceptsDataErrors: boolean;
}

/** How joining ended. */
export interface Joined {
	readonly site: string;
	readonly server: string;
	readonly state: "approved" | "pending";
	readonly doctor: DoctorBadge;
}

/** What looks at recordings: the doctor, but for tests that are about something else. */
export type Examine = (
	data: Awaited<ReturnType<typeof openData>>,
	context: ClientContext,
) => Promise<DoctorBadge>;

/**
 * Joins: looks at server and recordings, makes the key, pins the server, registers. Nothing is registered when something
 * is wrong.
 * @throws CliError "data-errors" and others; FlowerError
 */
export async function joinFederation(
	home: ClientHome,
	invitation: Invitation,
	{ acceptsDataErrors, ...choices }: JoinChoices,
	context: ClientContext,
	examine: Examine = askDoctor,
): Promise<Joined> {
	const { host, port, secret } = invitation;
	const site = invitation.site ?? choices.site;
	if (site === undefined || !isSiteName(site))
		throw new CliError("missing-argument", "the invitation leaves the name to you", {
			cure: "give --name <site>",
		});
	const before = await settingsBefore(home, context);
	if (before !== undefined && before.host === host && before.port === port && before.site !== site)
		throw new CliError(
			"bad-invitation",
			`${home.dir} holds the key of ${before.site}, which is bound to that name`,
			{
				cure: `join as ${site} from a folder of its own: --state <dir>`,
			},
		);
	const authority = await trustInvitation(invitation);
	const data = await openData(site, choices.data, context);
	const doctor = await examine(data, context);
	if (doctor.errors > 0 && !acceptsDataErrors)
		throw new CliError(
			"data-errors",
			`the doctor found ${countsText(doctor)} in ${choices.data}; ${site} did not join`,
			{
				cure: "cure them (`zk0 data doctor --fix`), or join with --accept-data-errors",
			},
		);
	await makePrivateFolder(home.dir);
	// What the owner limited stays limited, whatever federation the site joins.
	const { hours = null, accepts = null, clipNorm = null, maxMemory = null } = before ?? {};
	const settings: ClientSettings = {
		...choices,
		host,
		port,
		authority,
		site,
		data: data.plan.uri,
		doctor,
		superlink: null,
		hours,
		accepts,
		clipNorm,
		maxMemory,
	};
	const identity = await ownIdentity(home);
	await using transport = connect(settings);
	const state = await register(transport, identity, { site, invite: secret });
	await writePrivateJson(home.settings, settings);
	return { site, server: `${host}:${port}`, state, doctor };
}

/** What the site joined with before; settings that cannot be read are replaced, and that is said. */
async function settingsBefore(
	home: ClientHome,
	{ output }: Pick<ClientContext, "output">,
): Promise<ClientSettings | undefined> {
	try {
		return await readJsonFile(home.settings, clientSettingsSchema);
	} catch (error) {
		if (!(error instanceof CliError && error.code === "state-damaged")) throw error;
		output.line(`${error.message}: it is written anew; limits of this site's own have to be set again`);
		return undefined;
	}
}

/**
 * Looks at the server of an invitation; nothing is sent that tells who asks.
 * @returns what to trust from now on
 * @throws FlowerError with its `problem` when the server is not there or not the one that invited
 */
export async function trustInvitation({
	host,
	port,
	trust,
}: Invitation): Promise<ClientSettings["authority"]> {
	const timeoutMs = CALL_TIMEOUT_MS;
	if (trust === PLAINTEXT) {
		await checkServer({ host, port, security: "plaintext", timeoutMs });
		return null;
	}
	const authority =
		trust === SYSTEM ? SYSTEM : await fetchAuthority({ host, port, fingerprint: trust, timeoutMs });
	await requireTrust({ host, port, authority });
	return authority;
}

/** Runs the doctor, prints what it finds, and counts what concerns the recordings as this site uses them. */
async function askDoctor(
	data: Awaited<ReturnType<typeof openData>>,
	context: ClientContext,
): Promise<DoctorBadge> {
	const { report, badge } = await examineSite(data, context);
	context.output.line(renderDoctorText(report, createPaint(false)));
	return badge;
}

/** What the doctor said of a site's recordings. */
export interface SiteExamination {
	/** Of what concerns the recordings as this site uses them. */
	readonly report: DoctorReport;
	readonly badge: DoctorBadge;
}

/** Runs the doctor over a site's recordings. @throws DoctorError for what is no dataset */
export async function examineSite(
	{ plan, dataset, located }: Awaited<ReturnType<typeof openData>>,
	{ host }: Pick<ClientContext, "host">,
	onEpisode: (numDone: number, numEpisodes: number) => void = () => undefined,
): Promise<SiteExamination> {
	const { signal } = host;
	const { chunkSize, maxDim } = await modelPurpose(undefined, host);
	const purpose = { uri: plan.uri, chunkSize, maxDim, onEpisode, signal };
	const examination = await examineDataset(located.dir, purpose);
	const findings = examination.findings.filter((finding) => concerns(finding, located));
	const report = reportOf([{ ...examination, findings }]);
	const { fingerprint } = await digestDataset(dataset, { signal });
	return { report, badge: { ...report.summary, fingerprint } };
}

/** False for what is about episodes that the site leaves out, and for what its profile cures. */
function concerns({ episodes, fix }: Finding, { selection, profile }: LocatedData): boolean {
	if (profile !== null && (fix === "profile" || fix === "quarantine")) return false;
	const used = selection?.episodes;
	return used === undefined || episodes.length === 0 || episodes.some((episode) => used.includes(episode));
}

async function register(
	transport: Transport,
	identity: NodeIdentity,
	request: { readonly site: string; readonly invite: string },
): Promise<Joined["state"]> {
	const signed = authenticated(transport, identity, () => Date.now());
	const publicKey = Buffer.from(identity.publicKeyPem);
	const options = { timeoutMs: CALL_TIMEOUT_MS };
	await signed.unary(Fleet.method.registerNode, { publicKey, ...request }, options);
	try {
		// Without a session this only asks: an approved key is told to bring one.
		await signed.unary(Fleet.method.activateNode, { publicKey }, options);
		return "approved";
	} catch (error) {
		if (!(error instanceof FlowerError)) throw error;
		if (error.code === "failed-precondition") return "approved";
		if (error.code === "permission-denied") return "pending";
		throw error;
	}
}
