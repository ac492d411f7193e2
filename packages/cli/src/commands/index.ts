// Every command by name and summary, in the order of the help. A command's own file, with its options, its work and
// all that it imports, is loaded when the command is named: a command line costs what it uses.
import type { Command, CommandEntry } from "../command.ts";

/** The commands of one file: by the name of the export, what is typed and what it does in one sentence. */
function commandsOf<Name extends string>(
	load: () => Promise<Readonly<Record<NoInfer<Name>, Command>>>,
	rows: Readonly<Record<Name, readonly [words: string, summary: string]>>,
): CommandEntry[] {
	// The keys of an object literal of type Record<Name, …> are Name.
	const names = Object.keys(rows) as Name[];
	return names.map((name) => {
		const [words, summary] = rows[name];
		return { path: words.split(" "), summary, load: async () => (await load())[name] };
	});
}

/** The commands of zk0; those of one first word stand together. */
export const COMMANDS: readonly CommandEntry[] = [
	...commandsOf(() => import("./simulate.ts"), {
		simulate: [
			"simulate",
			"Run a federation in one process: every site trains on its own data, only weights travel.",
		],
	}),
	...commandsOf(() => import("./train.ts"), {
		train: ["train", "Fine-tune on one site's data, without a federation."],
	}),
	...commandsOf(() => import("./eval.ts"), {
		evaluate: [
			"eval",
			"Measure a bound checkpoint on recorded episodes, or let it act in the simulated world.",
		],
	}),
	...commandsOf(() => import("./predict.ts"), {
		predict: ["predict", "Draw what a bound checkpoint would do beside what was recorded in one episode."],
	}),
	...commandsOf(() => import("./doctor.ts"), {
		doctor: ["doctor", "Say whether this machine can do what zk0 does, how fast, and what to repair."],
	}),
	...commandsOf(() => import("./run.ts"), {
		run: ["run", "Start a run on the server: it begins when enough clients are there."],
	}),
	...commandsOf(() => import("./server.ts"), {
		serverStatus: ["status", "Show sites, runs and what the server waits for."],
	}),
	...commandsOf(() => import("./server.ts"), {
		serverStart: [
			"server start",
			"Start a federation's server: TLS 1.3 with a certificate of its own, in the background.",
		],
		serverStop: ["server stop", "Stop the server; the run under way goes on at the next start."],
		serverStatus: ["server status", "Show sites, runs and what the server waits for."],
		serverLogs: ["server logs", "Show the end of the server's log."],
		serverInvite: ["server invite", "Print a line with which one site can join, within seven days."],
		serverAdd: ["server add", "Let one of Flower's own nodes in, by its public key."],
		serverApprove: ["server approve", "Let a site in that joined without an invitation."],
		serverRevoke: ["server revoke", "Shut a site's key out for good."],
		serverCheck: [
			"server check",
			"Check the server's security: TLS, keys, permissions, expiry, ports, pending approvals, audit log.",
		],
	}),
	...commandsOf(() => import("./server-authority.ts"), {
		serverRotateCa: [
			"server rotate-ca",
			"Change the server's certificate authority, announced to the sites beforehand.",
		],
	}),
	...commandsOf(() => import("./server-access.ts"), {
		serverDashboard: [
			"server dashboard",
			"Print a link that opens the dashboard in a browser, once and within ten minutes.",
		],
		serverUserAdd: [
			"server user add",
			"Let somebody use the dashboard: prints the token with which they sign in.",
		],
		serverUserList: ["server user list", "Show who may use the dashboard."],
		serverUserRemove: [
			"server user remove",
			"Take a person's access to the dashboard away; their open pages stop at once.",
		],
	}),
	...commandsOf(() => import("./server-backup.ts"), {
		serverBackup: ["server backup", "Save everything a server has to one file, while it runs."],
		serverRestore: ["server restore", "Put a saved server back; its runs go on where they were."],
	}),
	...commandsOf(() => import("./server-alerts.ts"), {
		serverAlerts: ["server alerts", "Show the alerts that fire, or say where they are sent."],
		serverAlertTest: ["server alert-test", "Send a test message to the alerts' webhook."],
	}),
	...commandsOf(() => import("./client.ts"), {
		clientJoin: [
			"client join",
			"Join a federation: check the recordings, make this site's key, trust the server, ask to be let in.",
		],
		clientJoinSuperLink: [
			"client join-superlink",
			"Join a real Flower SuperLink, for ServerApps in Python: as join, with this site's own settings for training.",
		],
		clientStart: [
			"client start",
			"Serve the tasks of the federation that this site joined, in the background.",
		],
		clientStop: ["client stop", "Stop this site's client; its task is given up and comes again later."],
		clientStatus: ["client status", "Show what this site's client does."],
		clientLogs: ["client logs", "Show the end of the client's log."],
	}),
	...commandsOf(() => import("./client-page.ts"), {
		clientPage: [
			"client page",
			"Join a federation and follow this site's client in a browser, on this machine.",
		],
	}),
	...commandsOf(() => import("./service.ts"), {
		serviceInstall: [
			"service install",
			"Let systemd keep a server or a client running, also after a reboot.",
		],
		serviceUninstall: ["service uninstall", "Stop the service and take it away; its state stays."],
		serviceStatus: ["service status", "Show what systemd says of the service."],
	}),
	...commandsOf(() => import("./model-init.ts"), {
		modelInit: ["model init", "Write a checkpoint with random weights, in LeRobot's layout."],
	}),
	...commandsOf(() => import("./model-inspect.ts"), {
		modelInspect: [
			"model inspect",
			"Show what a checkpoint holds and what it lacks; fails when it cannot be used.",
		],
	}),
	...commandsOf(() => import("./model-bind.ts"), {
		modelBind: [
			"model bind",
			"Join a checkpoint with a site's statistics and cameras; the result runs on that site's robot.",
		],
	}),
	...commandsOf(() => import("./model-merge.ts"), {
		modelMerge: [
			"model merge",
			"Fold a LoRA adapter into its base: a full checkpoint that computes the same.",
		],
	}),
	...commandsOf(() => import("./data-doctor.ts"), {
		dataDoctor: [
			"data doctor",
			"Say what is wrong with recordings, which episodes are concerned, and what to do about it.",
		],
	}),
	...commandsOf(() => import("./data-profile.ts"), {
		dataProfile: ["data profile", "Show a site's profile, as the doctor wrote it and training reads it."],
	}),
	...commandsOf(() => import("./data-view.ts"), {
		dataView: [
			"data view",
			"Look at episodes in a browser: cameras, joints, and what models would have done.",
		],
	}),
	...commandsOf(() => import("./data-synth.ts"), {
		dataSynth: ["data synth", "Record demonstrations in the simulated world as a LeRobot dataset (v3.0)."],
	}),
	...commandsOf(() => import("./data-convert.ts"), {
		dataConvert: [
			"data convert",
			"Write a LeRobot dataset (v2.0, v2.1 or v3.0) anew as v3.0: equal rows, videos copied where possible.",
		],
	}),
	...commandsOf(() => import("./data-merge.ts"), {
		dataMerge: [
			"data merge",
			"Write several datasets of one kind of robot as one: episodes one after the other, tasks joined.",
		],
	}),
	...commandsOf(() => import("./data-split.ts"), {
		dataSplit: ["data split", "Write parts of a dataset as datasets of their own."],
	}),
	...commandsOf(() => import("./data-subset.ts"), {
		dataSubset: [
			"data subset",
			"Write some episodes, cameras or features of a dataset as a dataset of its own.",
		],
	}),
	...commandsOf(() => import("./data-reencode.ts"), {
		dataReencode: [
			"data reencode",
			"Write a dataset with every video encoded again, for another codec, size or speed of reading.",
		],
	}),
	...commandsOf(() => import("./data-push.ts"), {
		dataPush: ["data push", "Upload a LeRobot dataset to the Hugging Face hub."],
	}),
	...commandsOf(() => import("./data-partition.ts"), {
		dataPartition: [
			"data partition",
			"Divide the episodes of a dataset among clients and print who gets what; nothing is copied.",
		],
	}),
	...commandsOf(() => import("./runs-list.ts"), {
		runsList: ["runs list", "List the runs, newest first."],
	}),
	...commandsOf(() => import("./runs-show.ts"), {
		runsShow: ["runs show", "Show a run's rounds, sites, incidents and files, and check its log."],
	}),
	...commandsOf(() => import("./runs-resume.ts"), {
		runsResume: [
			"runs resume",
			"Go on with a run that was stopped or killed, to the same weights as without the break.",
		],
	}),
	...commandsOf(() => import("./runs-log.ts"), {
		runsLog: ["runs log", "Show what happened in a run, line by line, and follow it while it runs."],
	}),
	...commandsOf(() => import("./runs-stop.ts"), {
		runsStop: ["runs stop", "Stop a run that another process of this machine works on."],
	}),
	...commandsOf(() => import("./runs-compare.ts"), {
		runsCompare: ["runs compare", "Show results of runs side by side, and the settings that differ."],
	}),
	...commandsOf(() => import("./runs-prune.ts"), {
		runsPrune: ["runs prune", "Delete what finished runs can do without, to bound the use of the disk."],
	}),
	...commandsOf(() => import("./config.ts"), {
		configInit: [
			"config init",
			"Write a configuration file with every setting, its meaning and its default.",
		],
		configValidate: ["config validate", "Find everything that is wrong with a configuration file."],
		configShow: ["config show", "Show the value of every setting and where it comes from."],
		configExplain: ["config explain", "Explain one setting: its names, values, defaults and what it is now."],
		configDiff: ["config diff", "Show the settings in which two files, runs or presets differ."],
		configSchema: ["config schema", "Print the JSON Schema of configuration files, for editors."],
	}),
	...commandsOf(() => import("./runs-export.ts"), {
		runsExport: ["runs export", "Write a run as CSV, Parquet, TensorBoard event file or MLflow store."],
	}),
	...commandsOf(() => import("./report.ts"), {
		report: [
			"report",
			"Write a run's validation report: results with intervals, who took part, what was verified.",
		],
	}),
	...commandsOf(() => import("./push.ts"), {
		push: ["push", "Upload a run's model to the Hugging Face hub, with a card made from its record."],
	}),
	...commandsOf(() => import("./verify.ts"), {
		verify: ["verify", "Recompute hashes and signatures of a run or a checkpoint, and compare with its log."],
	}),
	...commandsOf(() => import("./cache.ts"), {
		cacheShow: ["cache show", "Show how much the prefix cache of this machine holds."],
		cacheVerify: [
			"cache verify",
			"Check every entry of the prefix cache against its checksum and drop damaged ones.",
		],
		cacheClear: ["cache clear", "Empty the prefix cache of this machine."],
	}),
	...commandsOf(() => import("./completion.ts"), {
		completion: ["completion", "Print a script with which bash, zsh or fish completes commands and flags."],
	}),
];
