// The variables of the environment that are not settings of a run: what they do, for help and docs, and which ZK0_…
// variables nothing would read.
import { nearest } from "@zk0/arrays";
import { variableOf } from "../arguments/option.ts";
import { RUN_OPTIONS } from "./run-options.ts";

/** A variable and what it does. */
export interface EnvironmentVariable {
	readonly name: string;
	readonly summary: string;
}

/** Every variable that zk0 reads besides the settings; tools/generate-docs.ts compares it with the sources. */
export const ENVIRONMENT: readonly EnvironmentVariable[] = [
	{ name: "ZK0_CONFIG", summary: "configuration file, as --config" },
	{ name: "ZK0_HOME", summary: "folder that holds server/ and client/ (default: ~/.zk0)" },
	{
		name: "ZK0_CACHE_DIR",
		summary:
			"folder of simulated recordings and of the prefix cache (default: zk0 in XDG_CACHE_HOME or ~/.cache)",
	},
	{ name: "ZK0_DEBUG", summary: "anything: show the chain of causes with every error, as --verbose" },
	{ name: "ZK0_ALERT_WEBHOOK", summary: "address that a server posts its alerts to" },
	{ name: "HF_TOKEN", summary: "access to private repositories of the Hugging Face hub" },
	{ name: "HF_ENDPOINT", summary: "another address of the hub, for a mirror" },
	{ name: "HF_HOME", summary: "folder of the hub's token and caches (default: ~/.cache/huggingface)" },
	{ name: "HF_HUB_CACHE", summary: "folder of downloaded checkpoints (default: hub in HF_HOME)" },
	{ name: "HF_LEROBOT_HOME", summary: "folder of downloaded datasets (default: lerobot in HF_HOME)" },
	{ name: "HF_HUB_OFFLINE", summary: "1: use what is downloaded, ask nobody" },
	{ name: "XDG_CACHE_HOME", summary: "folder of caches (default: ~/.cache)" },
	{ name: "NO_COLOR", summary: "anything: no colours" },
	{ name: "FORCE_COLOR", summary: "1: colours in files and pipes, too" },
	{ name: "TERM", summary: "dumb: no colours and no live lines" },
	{
		name: "ONNXRUNTIME_NODE_INSTALL",
		summary: "read by npm install: skip leaves out the download of CUDA libraries, cuda12 asks for it",
	},
];

/** ZK0_… variables that are set and that nothing reads, with the name that was meant where one is near. */
export function unreadVariables(
	env: Readonly<Record<string, string | undefined>>,
): { readonly name: string; readonly meant: string | undefined }[] {
	const known = new Set([
		...ENVIRONMENT.map(({ name }) => name),
		...Object.keys(RUN_OPTIONS).map(variableOf),
	]);
	return Object.keys(env)
		.filter((name) => name.startsWith("ZK0_") && !known.has(name))
		.sort()
		.map((name) => ({ name, meant: nearest(name, known) }));
}
