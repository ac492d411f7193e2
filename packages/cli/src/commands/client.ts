// `zk0 client …`: a site's side of a federation on the network.

import { resolve } from "node:path";
import { badgeWords } from "@zk0/dashboard/status";
import { z } from "zod";
import type { OptionTable } from "../arguments/option.ts";
import { defineCommand } from "../command.ts";
import { byteSize, RUN_OPTIONS } from "../config/run-options.ts";
import { clientDaemon, startClient, stopClient } from "../network/client-daemon.ts";
import { clientStatusSchema } from "../network/client-status.ts";
import { runningPid } from "../network/daemon.ts";
import { clientHome, LOG_OPTION, STATE_OPTION } from "../network/home.ts";
import { areHours } from "../network/hours.ts";
import { readJsonFile } from "../network/private-file.ts";
import { logsCommand } from "./logs.ts";

const STATE = { state: STATE_OPTION };

/** What a site brings to whatever it joins. */
const SITE_OPTIONS = {
	name: {
		kind: "text",
		schema: z.string().min(1),
		value: "<site>",
		summary: "this site's name, when the invitation leaves it open",
	},
	camera: {
		...RUN_OPTIONS.camera,
		value: "<dataset camera>=<policy camera>",
		summary: "which camera of the recordings is which of the policy, repeatable; without it, equal names",
	},
	threads: { ...RUN_OPTIONS.threads, summary: "compute threads (default: 1, as in the small presets)" },
	device: RUN_OPTIONS.device,
} satisfies OptionTable;

/** `zk0 client join`. */
export const clientJoin = defineCommand({
	positionals: [
		{ name: "invitation", summary: "the line that `zk0 server invite` printed" },
		{
			name: "dataset",
			summary: "the site's recordings: a LeRobot dataset's directory, hf:<user>/<name> or sim:<task>",
		},
	],
	options: {
		...STATE,
		...SITE_OPTIONS,
		acceptDataErrors: {
			kind: "switch",
			schema: z.boolean(),
			summary: "join although the doctor finds errors in the recordings",
		},
	},
	notes: [
		"The data doctor looks at the recordings first (`zk0 data doctor`); its counts and a fingerprint are shown to the operator.",
		"Recordings and statistics stay here; only trained tensors travel. The key never leaves this machine.",
	],
	examples: ["zk0 client join zk0://fl.example.org:9092/kitchen/…/… recordings/kitchen"],
	async run({ values, named, host, output }) {
		const home = clientHome(host, values.state);
		const { joinFederation } = await import("../network/join.ts");
		const { parseInvitation } = await import("../network/invitation.ts");
		const joined = await joinFederation(
			home,
			parseInvitation(named["invitation"] ?? ""),
			{
				data: named["dataset"] ?? "",
				site: values.name,
				camera: values.camera ?? null,
				threads: values.threads ?? 1,
				device: values.device ?? "cpu",
				acceptsDataErrors: values.acceptDataErrors ?? false,
			},
			{ host, output },
		);
		const { site, server, state, doctor } = joined;
		const doctorText = doctor === null ? "" : `, doctor: ${badgeWords(doctor)}`;
		const isRunning = (await runningPid(clientDaemon(home))) !== undefined;
		output.result(joined, () => {
			const isApproved = state === "approved";
			const next = isRunning
				? "its client runs on as before; start it again: zk0 client stop, then zk0 client start"
				: `start ${isApproved ? "with" : "all the same"}: zk0 client start`;
			return `${site} ${isApproved ? "is a member of" : "waits for approval at"} ${server}${doctorText}; ${next}`;
		});
	},
});

/** The settings that a Flower SuperLink's messages leave open. */
const OWN_SETTINGS = {
	preset: RUN_OPTIONS.preset,
	init: RUN_OPTIONS.init,
	loraRank: RUN_OPTIONS.loraRank,
	loraAlpha: RUN_OPTIONS.loraAlpha,
	loraFreezeA: RUN_OPTIONS.loraFreezeA,
	rounds: { ...RUN_OPTIONS.rounds, summary: "rounds that the learning rate's schedule is planned for" },
	localSteps: {
		...RUN_OPTIONS.localSteps,
		summary: "optimizer steps of a round, where the message's config has no local-steps",
	},
	batchSize: RUN_OPTIONS.batchSize,
	learningRate: RUN_OPTIONS.learningRate,
	warmupSteps: RUN_OPTIONS.warmupSteps,
	keepOptimizerState: RUN_OPTIONS.keepOptimizerState,
	heldOut: RUN_OPTIONS.heldOut,
	evalFrames: RUN_OPTIONS.evalFrames,
	sampledFrames: RUN_OPTIONS.sampledFrames,
	evalLocal: RUN_OPTIONS.evalLocal,
	seed: RUN_OPTIONS.seed,
};

/** `zk0 client join-superlink`. */
export const clientJoinSuperLink = defineCommand({
	positionals: [
		{ name: "address", summary: "<host>:<port> of the SuperLink's Fleet API" },
		{
			name: "dataset",
			summary: "the site's recordings: a LeRobot dataset's directory, hf:<user>/<name> or sim:<task>",
		},
	],
	options: {
		...STATE,
		...SITE_OPTIONS,
		name: { ...SITE_OPTIONS.name, summary: "this site's name in its own logs (default: site)" },
		rootCertificates: {
			kind: "text",
			schema: z.string().min(1),
			value: "<file>",
			summary: "PEM of the authority behind the SuperLink's certificate (default: public ones)",
		},
		plaintext: { kind: "switch", schema: z.boolean(), summary: "no TLS; only to this machine" },
		...OWN_SETTINGS,
	},
	notes: [
		"A SuperLink with --enable-supernode-auth lets the site in once its operator has run `flwr supernode register` " +
			"with the site's public key.",
		"Recordings and statistics stay here; only trained tensors travel. See docs/flower.md for the messages.",
	],
	examples: ["zk0 client join-superlink fl.example.org:9092 recordings/kitchen --root-certificates ca.crt"],
	async run({ values, named, host, output }) {
		const { joinSuperLink } = await import("../network/superlink-client.ts");
		const { parseAddress } = await import("../network/host-port.ts");
		const { pickRunOptions } = await import("../config/resolve.ts");
		const { threads = 1, device = "cpu", camera = null, ...settings } = pickRunOptions(values);
		const joined = await joinSuperLink(
			clientHome(host, values.state),
			{
				...parseAddress(named["address"] ?? ""),
				rootCertificates:
					values.rootCertificates === undefined ? null : resolve(host.cwd, values.rootCertificates),
				isPlaintext: values.plaintext === true,
			},
			{ data: named["dataset"] ?? "", site: values.name ?? "site", camera, threads, device, run: settings },
			{ host, output },
		);
		output.result(joined, () =>
			joined.refusal === null
				? `${joined.server} knows this site's key; start with: zk0 client start`
				: `${joined.server} did not register the key itself (${joined.refusal}); if its operator has not done it: ` +
					`flwr supernode register ${joined.publicKeyFile}; start with: zk0 client start`,
		);
	},
});

/** `zk0 client start`. */
export const clientStart = defineCommand({
	positionals: [{ name: "dataset", summary: "other recordings than at joining", optional: true }],
	options: {
		...STATE,
		log: LOG_OPTION,
		hours: {
			kind: "text",
			schema: z
				.string()
				.refine((text) => text === "always" || areHours(text), "expected hours like 22:00-06:00"),
			value: "<hh:mm-hh:mm,…>|always",
			summary:
				"hours of the day in which this site works, by its own clock; a task that is not done then waits (kept)",
		},
		accept: {
			kind: "text",
			schema: z.enum(["train", "evaluate", "all"]),
			value: "<tasks>",
			summary: "tasks that this site takes: train, evaluate or all (kept)",
		},
		clipNorm: {
			...RUN_OPTIONS.clipNorm,
			summary: "largest L2 norm of what an update of this site changes, whatever the run's limit is (kept)",
		},
		threads: {
			...RUN_OPTIONS.threads,
			summary: "cores that the training may use (kept; default: as when joining)",
		},
		maxMemory: {
			kind: "text",
			schema: z.union([z.literal("off"), byteSize]),
			value: "<bytes>|off",
			summary:
				"most memory that this client's process takes, for example 6GB: batches are divided to fit, and a task that cannot fit is declined (kept)",
		},
		foreground: { kind: "switch", schema: z.boolean(), summary: "stay in this terminal instead" },
	},
	notes: ["A task that this site does not take is declined by name."],
	async run({ values, named, host, output }) {
		const home = clientHome(host, values.state);
		const { dataset } = named;
		const { hours, accept, clipNorm, threads, maxMemory } = values;
		if (values.foreground === true) {
			const { serveTasks } = await import("../network/client-process.ts");
			return await serveTasks(
				home,
				dataset,
				{ host, output, logForm: values.log },
				{
					...(hours === undefined ? {} : { hours: hours === "always" ? null : hours }),
					...(accept === undefined ? {} : { accepts: accept === "all" ? null : [accept] }),
					...(clipNorm === undefined ? {} : { clipNorm }),
					...(threads === undefined ? {} : { threads }),
					...(maxMemory === undefined ? {} : { maxMemory: maxMemory === "off" ? null : maxMemory }),
				},
			);
		}
		const words = { log: values.log, hours, accept, clipNorm, threads, maxMemory, dataset };
		const pid = await startClient(home, words, host.signal);
		output.result({ pid }, () => `started, process ${pid}, log ${home.log}`);
	},
});

/** `zk0 client stop`. */
export const clientStop = defineCommand({
	options: STATE,
	async run({ values, host, output }) {
		const pid = await stopClient(clientHome(host, values.state), host.signal);
		output.result({ pid }, () => "stopped");
	},
});

/** `zk0 client status`. */
export const clientStatus = defineCommand({
	options: STATE,
	async run({ values, host, output }) {
		const home = clientHome(host, values.state);
		const pid = (await runningPid(clientDaemon(home))) ?? null;
		const last = (await readJsonFile(home.status, clientStatusSchema)) ?? null;
		output.result({ pid, last }, () => {
			const process = pid === null ? "not running" : `running, process ${pid}`;
			return last === null
				? process
				: `${process}\n${last.site} at ${last.server}: ${last.state} (since ${last.at})`;
		});
	},
});

/** `zk0 client logs`. */
export const clientLogs = logsCommand((host, state) => clientHome(host, state).log);
