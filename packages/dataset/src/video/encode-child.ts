// Entry of the encoder process: reads EncodeRequest messages, answers EncodeReply. One process serves all cameras
// of one dataset.
import { AV_LOG_ERROR } from "node-av/constants";
import { Log } from "node-av/lib";
import { causeText } from "../errors.ts";
import { serveParent } from "./child-main.ts";
import type { EncodeReply, EncodeRequest } from "./encode-protocol.ts";
import { probeCuts } from "./video-cut.ts";
import { CameraRecorder } from "./video-file.ts";

const recorders: CameraRecorder[] = [];
let failed = false;

function reply(message: EncodeReply): void {
	process.send?.(message);
}

function handle(request: EncodeRequest): void {
	switch (request.kind) {
		case "setup":
			for (const camera of request.cameras) recorders.push(new CameraRecorder(request, camera));
			return;
		case "begin":
			for (const [camera, recorder] of recorders.entries()) {
				const cut = request.cuts[camera] ?? null;
				if (cut === null) recorder.beginEpisode(request.numFrames);
				else recorder.copyEpisode(cut);
			}
			return;
		case "probe":
			reply({ kind: "probed", probes: probeCuts(request.cuts) });
			return;
		case "frame":
			recorders[request.camera]?.addFrame(request.rgb);
			reply({ kind: "consumed", sizeBytes: request.rgb.byteLength });
			return;
		case "end":
			reply({ kind: "episode", videos: recorders.map((recorder) => recorder.endEpisode()) });
			return;
		case "finish":
			for (const recorder of recorders) recorder.finish();
			reply({ kind: "finished" });
	}
}

Log.setLevel(AV_LOG_ERROR);
serveParent((request) => {
	if (failed) return;
	try {
		// as: the only sender is encoder-process.ts of this package.
		handle(request as EncodeRequest);
	} catch (cause) {
		failed = true;
		const file = recorders.map((recorder) => recorder.path).join(", ");
		reply({ kind: "failed", message: causeText(cause), file });
	}
});
