// Exit codes, stable across versions: one table from the errors of every package to a code and to its help.
// `zk0 help exit-codes` prints it; docs and tests read the same rows. Errors are known by their names, so that no package
// has to be loaded to tell whose an error is.
import type { ArraysErrorCode } from "@zk0/arrays";
import type { AutodiffErrorCode } from "@zk0/autodiff";
import type { DatasetErrorCode } from "@zk0/dataset";
import type { DoctorErrorCode } from "@zk0/doctor";
import type { FederationErrorCode } from "@zk0/federation";
import type { FinetuneErrorCode } from "@zk0/finetune";
import type { FlowerErrorCode } from "@zk0/flower";
import type { HubErrorCode } from "@zk0/hub";
import type { MonitorErrorCode } from "@zk0/monitor";
import type { PolicyErrorCode } from "@zk0/policy";
import type { RecordsErrorCode } from "@zk0/records";
import type { SimErrorCode } from "@zk0/sim";
import { CliError, type CliErrorCode } from "./cli-error.ts";

/** One exit code. */
export interface ExitCode {
	readonly code: number;
	readonly name: string;
	readonly meaning: string;
	/** What to do about it. */
	readonly help: string;
}

/** Every exit code that zk0 uses, in numeric order. */
export const EXIT_CODES = {
	ok: { code: 0, name: "ok", meaning: "The command did what it was asked.", help: "Nothing to do." },
	internal: {
		code: 1,
		name: "internal",
		meaning: "A defect in zk0 itself.",
		help: "Run again with --verbose and report the output.",
	},
	usage: {
		code: 2,
		name: "usage",
		meaning: "The command line is wrong: an unknown command or flag, a bad or a missing value.",
		help: "Read `zk0 help <command>`.",
	},
	config: {
		code: 3,
		name: "config",
		meaning: "The configuration file is wrong: not JSON, an unknown key or a value out of range.",
		help: "Correct the key that the message names; `zk0 help simulate` lists them all.",
	},
	dataset: {
		code: 4,
		name: "dataset",
		meaning: "A dataset cannot be read, is damaged, or does not fit the policy.",
		help: "Check the path and the file that the message names; record or download it again.",
	},
	model: {
		code: 5,
		name: "model",
		meaning: "A checkpoint cannot be read, does not match its configuration, or is not bound to a site.",
		help: "Check the checkpoint's directory (`zk0 model inspect`); bind a global model with `zk0 model bind`.",
	},
	engine: {
		code: 6,
		name: "engine",
		meaning: "Training or inference failed in the compute engine.",
		help: "Lower --batch-size if memory ran out; otherwise report it with --verbose.",
	},
	federation: {
		code: 7,
		name: "federation",
		meaning: "The federated run cannot go on, for example because too few sites are left.",
		help: "Read the failed sites' reasons with `zk0 runs show`, then `zk0 runs resume`.",
	},
	run: {
		code: 8,
		name: "run",
		meaning: "The named run does not exist, is damaged, or cannot be resumed.",
		help: "List the runs with `zk0 runs list`.",
	},
	storage: {
		code: 9,
		name: "storage",
		meaning: "The disk is full, or a file may not be read or written.",
		help: "Check the path, its permissions and the free space; files already written are whole.",
	},
	simulator: {
		code: 10,
		name: "simulator",
		meaning: "The simulated world cannot be made or recorded.",
		help: "List the tasks with `zk0 help tasks`.",
	},
	hub: {
		code: 11,
		name: "hub",
		meaning: "The Hugging Face hub refuses, cannot be reached, or has not what was named.",
		help: "Check the name, the token (HF_TOKEN) and the network; what is downloaded already is kept.",
	},
	network: {
		code: 12,
		name: "network",
		meaning: "A server or client cannot be started or reached, or refuses.",
		help: "Look at `zk0 server status` and `zk0 server logs`, or at `zk0 client status` and `zk0 client logs`.",
	},
	"data-errors": {
		code: 13,
		name: "data-errors",
		meaning: "The doctor found errors in a dataset: training would stop or go wrong.",
		help: "Follow the cures, or let `zk0 data doctor --fix` leave out or repair what is wrong.",
	},
	"data-warnings": {
		code: 14,
		name: "data-warnings",
		meaning: "The doctor found warnings but no errors: training works, on worse data than it could have.",
		help: "Follow the cures that seem worth it.",
	},
	"not-installed": {
		code: 15,
		name: "not-installed",
		meaning: "An optional part of zk0 that this command needs is not installed.",
		help:
			"Install zk0 again without --omit=optional; where the download of onnxruntime-node fails, set " +
			"ONNXRUNTIME_NODE_INSTALL=skip, which leaves only CUDA out.",
	},
	"not-verified": {
		code: 16,
		name: "not-verified",
		meaning:
			"Something of a run is not what its log says: a changed log, other weights, a signature that does not hold.",
		help: "Do not use the weights; compare with a backup, or ask who wrote to the run's directory.",
	},
	"not-ready": {
		code: 17,
		name: "not-ready",
		meaning: "The doctor of this machine found something that has to be repaired.",
		help: "Follow the cures that `zk0 doctor` prints.",
	},
	interrupted: {
		code: 130,
		name: "interrupted",
		meaning: "Ctrl-C or SIGTERM stopped the command; finished rounds are kept.",
		help: "Continue with `zk0 runs resume <id>`.",
	},
} as const satisfies Readonly<Record<string, ExitCode>>;

/** A row of the table. */
export type ExitName = keyof typeof EXIT_CODES;

const CLI_ERRORS: Readonly<Record<CliErrorCode, ExitName>> = {
	"unknown-command": "usage",
	"unknown-flag": "usage",
	"bad-flag": "usage",
	"missing-argument": "usage",
	"bad-config": "config",
	"unknown-config-key": "config",
	"bad-data-uri": "usage",
	"model-not-found": "model",
	"model-unusable": "model",
	"run-failed": "federation",
	"run-not-found": "run",
	"run-damaged": "run",
	"run-in-use": "run",
	"run-not-resumable": "run",
	"recording-failed": "simulator",
	"not-installed": "not-installed",
	"prediction-failed": "engine",
	"cache-damaged": "storage",
	"state-damaged": "storage",
	"bad-invitation": "usage",
	"bad-certificate": "config",
	"data-errors": "data-errors",
	"not-joined": "usage",
	"server-refused": "network",
	"not-running": "network",
	"no-answer": "network",
	"start-failed": "network",
	"service-failed": "network",
	"check-failed": "network",
	"target-exists": "storage",
	"over-budget": "storage",
	interrupted: "interrupted",
};

/** The codes of each package's errors, by the name of its error class. */
interface PackageErrorCodes {
	readonly ArraysError: ArraysErrorCode;
	readonly AutodiffError: AutodiffErrorCode;
	readonly DatasetError: DatasetErrorCode;
	readonly DoctorError: DoctorErrorCode;
	readonly FederationError: FederationErrorCode;
	readonly FinetuneError: FinetuneErrorCode;
	readonly FlowerError: FlowerErrorCode;
	readonly HubError: HubErrorCode;
	readonly MonitorError: MonitorErrorCode;
	readonly PolicyError: PolicyErrorCode;
	readonly RecordsError: RecordsErrorCode;
	readonly SimError: SimErrorCode;
}

/** The exit of each package's errors, and the codes that end otherwise. */
const PACKAGE_ERRORS: {
	readonly [Name in keyof PackageErrorCodes]: readonly [
		exit: ExitName,
		except?: Readonly<Partial<Record<PackageErrorCodes[Name], ExitName>>>,
	];
} = {
	ArraysError: ["model"],
	AutodiffError: ["engine", { "not-installed": "not-installed" }],
	DatasetError: [
		"dataset",
		{
			"target-exists": "storage",
			"write-failed": "storage",
			"bad-selection": "usage",
			"not-installed": "not-installed",
		},
	],
	MonitorError: ["network", { "bad-webhook": "usage" }],
	PolicyError: ["model", { "write-failed": "storage" }],
	RecordsError: ["run"],
	HubError: ["hub", { "write-failed": "storage", "disk-full": "storage", "bad-reference": "usage" }],
	DoctorError: ["dataset", { "bad-profile": "config", "target-exists": "storage" }],
	SimError: ["simulator", { "unknown-task": "usage", "bad-uri": "usage", "not-installed": "not-installed" }],
	FinetuneError: [
		"dataset",
		{
			"bad-learning-config": "config",
			"bad-training-state": "run",
			"non-finite": "engine",
			"memory-pressure": "engine",
		},
	],
	FederationError: [
		"federation",
		{
			cancelled: "interrupted",
			"disk-full": "storage",
			storage: "storage",
			"log-tampered": "run",
			"log-mismatch": "run",
			"corrupt-object": "run",
			"bad-weights": "model",
			unavailable: "network",
			deadline: "network",
			"not-admitted": "network",
			"site-name-taken": "network",
			"unknown-member": "usage",
		},
	],
	FlowerError: ["network"],
};

/** The same rows by any text. */
const EXITS_BY_NAME: ReadonlyMap<
	string,
	readonly [exit: ExitName, except?: Readonly<Partial<Record<string, ExitName>>>]
> = new Map(Object.entries(PACKAGE_ERRORS));

/** Codes that Node's file system calls put on their errors. */
const STORAGE_ERRNO =
	/^E(ACCES|BUSY|DQUOT|EXIST|FBIG|IO|ISDIR|LOOP|MFILE|NAMETOOLONG|NFILE|NOENT|NOSPC|NOTDIR|NOTEMPTY|PERM|ROFS|XDEV)$/;

/** The exit code for anything thrown. */
export function exitCodeOf(error: unknown): ExitCode {
	return EXIT_CODES[exitNameOf(error)];
}

function exitNameOf(error: unknown): ExitName {
	if (error instanceof CliError) return CLI_ERRORS[error.code];
	if (error instanceof Error && error.name === "AbortError") return "interrupted";
	const code = codeOf(error) ?? "";
	const [exit, except] = (error instanceof Error ? EXITS_BY_NAME.get(error.name) : undefined) ?? [];
	if (exit !== undefined) return except?.[code] ?? exit;
	return STORAGE_ERRNO.test(code) ? "storage" : "internal";
}

/** True for what Node's file system calls throw when a disk is full or a path may not be used. */
export function isStorageError(error: unknown): boolean {
	return STORAGE_ERRNO.test(codeOf(error) ?? "");
}

/** The string `code` of an error, where it has one; that of @zk0/arrays, but this file must load no package. */
export function codeOf(error: unknown): string | undefined {
	if (!(error instanceof Error) || !("code" in error)) return undefined;
	return typeof error.code === "string" ? error.code : undefined;
}
