// Which device runs the graphs. A provider's native code may end the process when a driver misbehaves, so a device is
// tried in a child process before anything depends on it.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { AutodiffError } from "../errors.ts";
import type { Device } from "./ort-session.ts";

/** What the trial of a device gave. */
export type DeviceTrial =
	| {
			readonly device: Device;
			readonly works: true /** Of a float32 matrix product. */;
			readonly gflops: number;
	  }
	| { readonly device: Device; readonly works: false; readonly reason: string };

/** The device that a run uses, and the trials that led to it (none for "cpu"). */
export interface DeviceChoice {
	readonly device: Device;
	readonly trials: readonly DeviceTrial[];
}

/** A GPU must beat the processor by this factor before "auto" takes it. */
const MIN_SPEEDUP = 2;
const TRIAL_TIMEOUT_MS = 60_000;

/** How to make a device work. */
const CURES: Readonly<Record<Device, string>> = {
	cpu: "reinstall the packages",
	webgpu: "install a Vulkan driver for the GPU (on Linux), or use --device cpu",
	cuda: "install CUDA 12 and cuDNN 9, fetch the provider with ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node, or use --device cpu",
};

/**
 * Tries a device in a child process: a float32 matrix product, checked against the processor's.
 * @throws what the signal gives when aborted; a device that does not work is a result, not an error.
 */
export async function tryDevice(
	device: Device,
	{ signal }: { signal?: AbortSignal } = {},
): Promise<DeviceTrial> {
	const { error, stdout, stderr } = await runTrial(device, signal);
	signal?.throwIfAborted();
	if (error === null) {
		const gflops = Number(stdout);
		if (gflops > 0) return { device, works: true, gflops };
	}
	const lastWords = stderr
		.trim()
		.split("\n")
		.findLast((line) => line.startsWith("reason: "));
	const reason = lastWords?.slice("reason: ".length) ?? error?.message.split("\n")[0] ?? "it gave no answer";
	return { device, works: false, reason };
}

/**
 * The device for a run. "auto" tries the GPUs and takes the fastest that beats the processor twofold, else "cpu".
 * @throws AutodiffError "no-device" when the wanted one does not work here; the message names the cure.
 */
export async function chooseDevice(
	wanted: "auto" | Device,
	options: { signal?: AbortSignal } = {},
): Promise<DeviceChoice> {
	if (wanted === "cpu") return { device: "cpu", trials: [] };
	if (wanted !== "auto") {
		const trial = await tryDevice(wanted, options);
		if (trial.works) return { device: wanted, trials: [trial] };
		throw new AutodiffError(
			"no-device",
			`device "${wanted}" does not work here (${trial.reason}); ${CURES[wanted]}`,
		);
	}
	const trials: DeviceTrial[] = [];
	for (const device of ["cpu", "webgpu", "cuda"] as const) trials.push(await tryDevice(device, options));
	return { device: fastest(trials), trials };
}

/** The GPU that beats the processor by MIN_SPEEDUP, the fastest of several, else the processor. */
export function fastest(trials: readonly DeviceTrial[]): Device {
	const rate = (trial: DeviceTrial): number => (trial.works ? trial.gflops : 0);
	const own = trials.find(({ device }) => device === "cpu");
	const floor = MIN_SPEEDUP * (own === undefined ? 0 : rate(own));
	const gpus = trials.filter((trial) => trial.device !== "cpu" && trial.works && rate(trial) >= floor);
	return gpus.sort((a, b) => rate(b) - rate(a))[0]?.device ?? "cpu";
}

interface TrialOutput {
	readonly error: Error | null;
	readonly stdout: string;
	readonly stderr: string;
}

function runTrial(device: Device, signal: AbortSignal | undefined): Promise<TrialOutput> {
	const options = { timeout: TRIAL_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) };
	return new Promise((resolve) => {
		execFile(process.execPath, [trialEntry(), device], options, (error, stdout, stderr) => {
			resolve({ error, stdout, stderr });
		});
	});
}

/** Child processes run built JavaScript also when this file runs as source. */
function trialEntry(): string {
	const entry = import.meta.url.endsWith(".ts")
		? new URL("../../dist/node/device-trial.js", import.meta.url)
		: new URL("./device-trial.js", import.meta.url);
	return fileURLToPath(entry);
}
