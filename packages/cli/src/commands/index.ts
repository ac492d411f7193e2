// Every command, in the order of the help.
import type { Command } from "../command.ts";
import { cacheClear, cacheShow, cacheVerify } from "./cache.ts";
import { clientJoin, clientLogs, clientStart, clientStatus, clientStop } from "./client.ts";
import { dataConvert } from "./data-convert.ts";
import { dataDoctor } from "./data-doctor.ts";
import { dataMerge } from "./data-merge.ts";
import { dataPartition } from "./data-partition.ts";
import { dataProfile } from "./data-profile.ts";
import { dataPush } from "./data-push.ts";
import { dataReencode } from "./data-reencode.ts";
import { dataSplit } from "./data-split.ts";
import { dataSubset } from "./data-subset.ts";
import { dataSynth } from "./data-synth.ts";
import { evaluate } from "./eval.ts";
import { modelBind } from "./model-bind.ts";
import { modelInit } from "./model-init.ts";
import { modelInspect } from "./model-inspect.ts";
import { modelMerge } from "./model-merge.ts";
import { predict } from "./predict.ts";
import { run } from "./run.ts";
import { runsList } from "./runs-list.ts";
import { runsResume } from "./runs-resume.ts";
import { runsShow } from "./runs-show.ts";
import {
	serverApprove,
	serverCheck,
	serverInvite,
	serverLogs,
	serverRevoke,
	serverStart,
	serverStatus,
	serverStop,
	status,
} from "./server.ts";
import { simulate } from "./simulate.ts";
import { train } from "./train.ts";

/** The commands of zk0. */
export const COMMANDS: readonly Command[] = [
	simulate,
	train,
	serverStart,
	serverStop,
	serverStatus,
	serverLogs,
	serverInvite,
	serverApprove,
	serverRevoke,
	serverCheck,
	clientJoin,
	clientStart,
	clientStop,
	clientStatus,
	clientLogs,
	run,
	status,
	evaluate,
	predict,
	modelInit,
	modelInspect,
	modelBind,
	modelMerge,
	dataDoctor,
	dataProfile,
	dataSynth,
	dataConvert,
	dataMerge,
	dataSplit,
	dataSubset,
	dataReencode,
	dataPush,
	dataPartition,
	runsList,
	runsShow,
	runsResume,
	cacheShow,
	cacheVerify,
	cacheClear,
];
