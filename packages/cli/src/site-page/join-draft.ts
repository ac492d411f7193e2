// Joining a federation step by step, as a page needs it: each step is the code of `zk0 client join` and its neighbours, and
// its outcome is kept until the last step, which joins. Only in this process's memory: an invitation is a secret.

import { availableParallelism } from "node:os";
import type { JoinView } from "@zk0/dashboard/views";
import { suggestCamerasByName } from "@zk0/doctor";
import { isSiteName } from "@zk0/federation";
import { resolveCameraMap } from "@zk0/finetune";
import { cameraKeys, smallPreset, smolvlaBasePreset } from "@zk0/policy";
import { CliError } from "../cli-error.ts";
import { placeText } from "../doctor/report-text.ts";
import type { Host } from "../host.ts";
import { clientDaemon, startClient, stopClient } from "../network/client-daemon.ts";
import { runningPid } from "../network/daemon.ts";
import type { ClientHome } from "../network/home.ts";
import { type Invitation, PLAINTEXT, parseInvitation, SYSTEM } from "../network/invitation.ts";
import {
	examineSite,
	type Joined,
	joinFederation,
	type SiteExamination,
	trustInvitation,
} from "../network/join.ts";
import { openData } from "../network/site-identity.ts";
import { cameraPictures } from "./camera-pictures.ts";
import { type Job, startJob } from "./job.ts";
import { type TrialResult, tryStep } from "./trial-step.ts";

type OpenedData = Awaited<ReturnType<typeof openData>>;
type Model = "small" | "full";
type CameraMap = Readonly<Record<string, string>>;

/** What a draft needs. */
export interface JoinDraftOptions {
	readonly home: ClientHome;
	readonly host: Host;
	readonly onFault: (error: unknown) => void;
}

/** Joining, as far as it is. */
export class JoinDraft implements AsyncDisposable {
	readonly #options: JoinDraftOptions;
	#invitation: { readonly line: Invitation; site: string | null; readonly job: Job<unknown> } | null = null;
	#data: { readonly uri: string; readonly job: Job<OpenedData> } | null = null;
	#pictures: ReturnType<typeof cameraPictures> | null = null;
	#cameras: { readonly model: Model; readonly chosen: CameraMap } | null = null;
	#doctor: {
		readonly job: Job<SiteExamination>;
		readonly count: { readonly numDone: number; readonly numEpisodes: number | null };
		accepts: boolean;
	} | null = null;
	#trial: { readonly job: Job<TrialResult>; readonly threads: number } | null = null;
	#entry: { readonly job: Job<void>; joined: Joined | null; isStarted: boolean } | null = null;

	constructor(options: JoinDraftOptions) {
		this.#options = options;
	}

	/** Takes an invitation and looks at its server. @throws CliError "bad-invitation" */
	invite(text: string): void {
		const line = parseInvitation(text);
		this.forgetEntry();
		this.#invitation?.job.cancel();
		const job = this.#start(async () => ({ authority: await trustInvitation(line) }));
		this.#invitation = { line, site: line.site, job };
	}

	/** Names the site, where the invitation leaves that open. @throws CliError "bad-config" */
	name(site: string): void {
		const invitation = required(this.#invitation, "paste the invitation");
		const isOther = invitation.line.site !== null && invitation.line.site !== site;
		if (isOther || !isSiteName(site))
			throw new CliError("bad-config", `"${site}" is no name for this site`, {
				cure: isOther
					? `the invitation is for ${invitation.line.site}`
					: "use 1-63 letters, digits, '.', '_' or '-'",
			});
		invitation.site = site;
		this.forgetEntry();
	}

	/** Opens recordings: downloads or records what is not there. What was found out about others is forgotten. */
	chooseData(uri: string): void {
		for (const step of [this.#data, this.#doctor, this.#trial]) step?.job.cancel();
		[this.#pictures, this.#cameras, this.#doctor, this.#trial] = [null, null, null, null];
		this.forgetEntry();
		const job = this.#start((context) => openData(this.#invitation?.site ?? "site", uri, context));
		this.#data = { uri, job };
	}

	/** One picture of each camera. */
	async pictures(): ReturnType<typeof cameraPictures> {
		const { dataset } = required(this.#data?.job.result(), "choose recordings");
		const pictures = this.#pictures ?? cameraPictures(dataset, this.#options.host.signal);
		this.#pictures = pictures;
		try {
			return await pictures;
		} catch (error) {
			// Tried again when they are asked for again.
			if (this.#pictures === pictures) this.#pictures = null;
			throw error;
		}
	}

	/** Says which camera is which. @throws FinetuneError "camera-missing" for a map that cannot be */
	chooseCameras(model: Model, chosen: CameraMap): void {
		const { dataset } = required(this.#data?.job.result(), "choose recordings");
		resolveCameraMap({
			datasetCameras: dataset.cameraKeys,
			policyCameras: POLICY_CAMERAS[model](),
			wanted: chosen,
		});
		this.#trial?.job.cancel();
		this.#trial = null;
		this.#cameras = { model, chosen };
		this.forgetEntry();
	}

	/** Lets the doctor look at the recordings. */
	examine(): void {
		const data = required(this.#data?.job.result(), "choose recordings");
		this.#doctor?.job.cancel();
		const count: { numDone: number; numEpisodes: number | null } = { numDone: 0, numEpisodes: null };
		const job = this.#start((context) =>
			examineSite(data, context, (numDone, numEpisodes) => Object.assign(count, { numDone, numEpisodes })),
		);
		this.#doctor = { job, count, accepts: false };
	}

	/** Joins although there are errors, or not. */
	acceptErrors(accepts: boolean): void {
		required(this.#doctor, "let the doctor look").accepts = accepts;
	}

	/** Takes a training step. */
	try(threads: number): void {
		const { plan, dataset } = required(this.#data?.job.result(), "choose recordings");
		const { model, chosen } = required(this.#cameras, "say which camera is which");
		this.#trial?.job.cancel();
		const camera =
			model === "small"
				? mapFor(chosen)
				: suggestCamerasByName(dataset.cameraKeys, POLICY_CAMERAS.small()).cameras;
		const step = { plan, camera, threads, isFullSize: model === "full" };
		this.#trial = { threads, job: this.#start((context) => tryStep(step, context)) };
	}

	/** Joins and starts the client. @throws CliError when a step is missing, or "data-errors" */
	enter(): void {
		const { home } = this.#options;
		const { line, site, job } = required(this.#invitation, "paste the invitation");
		required(job.result(), "find the server");
		const data = required(this.#data, "choose recordings");
		const { chosen } = required(this.#cameras, "say which camera is which");
		const doctor = required(this.#doctor, "let the doctor look");
		const { badge } = required(doctor.job.result(), "wait for the doctor");
		const { threads } = required(this.#trial, "take a step");
		if (site === null) required(undefined, "give this site a name");
		if (this.#entry?.job.view().state === "running") return;
		const choices = {
			data: data.uri,
			site: site ?? undefined,
			camera: mapFor(chosen),
			threads,
			device: "cpu",
			acceptsDataErrors: doctor.accepts,
		} as const;
		const work = this.#start(async (context) => {
			const { signal } = context.host;
			const joined = await joinFederation(home, line, choices, context, async () => badge);
			if (this.#entry !== null) this.#entry.joined = joined;
			// Only now: a client that runs goes on where joining fails.
			if ((await runningPid(clientDaemon(home))) !== undefined) await stopClient(home, signal);
			await startClient(home, {}, signal);
			if (this.#entry !== null) this.#entry.isStarted = true;
		});
		this.#entry = { job: work, joined: null, isStarted: false };
	}

	/** That the last step was taken no longer counts: the site has left, or decides anew. One that is being taken ends first. */
	forgetEntry(): void {
		const entry = this.#entry;
		if (entry?.job.view().state !== "running") this.#entry = null;
		else
			void entry.job.over.then(() => {
				if (this.#entry === entry) this.#entry = null;
			});
	}

	view(): JoinView {
		return {
			invitation: this.#viewInvitation(),
			data: this.#viewData(),
			cameras: this.#viewCameras(),
			doctor: this.#viewDoctor(),
			trial:
				this.#trial === null
					? null
					: {
							job: this.#trial.job.view(),
							threads: this.#trial.threads,
							result: this.#trial.job.result() ?? null,
						},
			entry:
				this.#entry === null
					? null
					: {
							job: this.#entry.job.view(),
							state: this.#entry.joined?.state ?? null,
							isStarted: this.#entry.isStarted,
						},
			numCores: availableParallelism(),
		};
	}

	async [Symbol.asyncDispose](): Promise<void> {
		const jobs = [this.#invitation, this.#data, this.#doctor, this.#trial, this.#entry].map(
			(step) => step?.job,
		);
		for (const job of jobs) job?.cancel();
		for (const job of jobs) await job?.over;
	}

	#start<Result>(work: Parameters<typeof startJob<Result>>[1]): Job<Result> {
		return startJob(this.#options.host, work, this.#options.onFault);
	}

	#viewInvitation(): JoinView["invitation"] {
		if (this.#invitation === null) return null;
		const { line, site, job } = this.#invitation;
		const { trust } = line;
		return {
			address: `${line.host}:${line.port}`,
			trust: trust === PLAINTEXT ? "plaintext" : trust === SYSTEM ? "system" : "pinned",
			fingerprint: trust === PLAINTEXT || trust === SYSTEM ? null : trust,
			invitedAs: line.site,
			site,
			job: job.view(),
		};
	}

	#viewData(): JoinView["data"] {
		if (this.#data === null) return null;
		const { uri, job } = this.#data;
		const dataset = job.result()?.dataset;
		if (dataset === undefined) return { uri, job: job.view(), facts: null };
		const { robotType, fps, numEpisodes, numFrames, tasks, cameraKeys: cameras } = dataset;
		const facts = { robotType, fps, numEpisodes, numFrames, tasks: [...tasks], cameras: [...cameras] };
		return { uri, job: job.view(), facts };
	}

	#viewCameras(): JoinView["cameras"] {
		const data = this.#data?.job.result();
		if (data === undefined) return null;
		const { cameraKeys: keys } = data.dataset;
		const model = this.#cameras?.model ?? modelFor(keys);
		return { ...proposeCameras(keys, model), chosen: this.#cameras?.chosen ?? null };
	}

	#viewDoctor(): JoinView["doctor"] {
		if (this.#doctor === null) return null;
		const { job, count, accepts: acceptsErrors } = this.#doctor;
		const { report, badge = null } = job.result() ?? {};
		const findings = (report?.datasets ?? [])
			.flatMap((dataset) => dataset.findings)
			.map((finding) => {
				const { code, severity, message, cure, camera } = finding;
				return { code, severity, message, cure, camera, place: placeText(finding) };
			});
		return { job: job.view(), ...count, badge, findings, acceptsErrors };
	}
}

const POLICY_CAMERAS: Readonly<Record<Model, () => readonly string[]>> = {
	small: () => cameraKeys(smallPreset().config),
	full: () => cameraKeys(smolvlaBasePreset().config),
};

/** Which camera may be which of a model's, by the names. */
export function proposeCameras(
	datasetCameras: readonly string[],
	model: Model,
): { readonly model: Model; readonly policyCameras: string[]; readonly proposal: Record<string, string> } {
	const policyCameras = [...POLICY_CAMERAS[model]()];
	return {
		model,
		policyCameras,
		proposal: { ...suggestCamerasByName(datasetCameras, policyCameras).cameras },
	};
}

/** The model whose camera names these are; else zk0's own. */
function modelFor(cameras: readonly string[]): Model {
	return cameras.some((key) => POLICY_CAMERAS.full().includes(key)) ? "full" : "small";
}

/** Equal names need no map: then a run's model may also have cameras that were not thought of here. */
function mapFor(chosen: CameraMap): CameraMap | null {
	return Object.entries(chosen).every(([from, to]) => from === to) ? null : chosen;
}

function required<Value>(value: Value | null | undefined, what: string): Value {
	if (value !== null && value !== undefined) return value;
	throw new CliError("missing-argument", `a step is missing: ${what} first`);
}
