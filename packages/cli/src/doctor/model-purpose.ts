// What the doctor holds recordings against: the cameras and sizes of the model that they are meant for.
import { cameraKeys, smallPreset } from "@zk0/policy";
import { openModel } from "../evaluation/open-policy.ts";
import type { Host } from "../host.ts";

/** Cameras and limits of a model. */
export interface ModelPurpose {
	readonly modelCameras: readonly string[];
	readonly chunkSize: number;
	readonly maxDim: number;
}

/** SmolVLA's published limit of state and action: what does not fit it fits no model here. */
const MAX_DIM = 32;

/**
 * Of the model at `name`; without one, the cameras and chunk of the small model that comes with zk0.
 * @throws as `openModel`
 */
export async function modelPurpose(name: string | undefined, host: Host): Promise<ModelPurpose> {
	if (name === undefined) {
		const { config } = smallPreset();
		return { modelCameras: cameraKeys(config), chunkSize: config.chunk_size, maxDim: MAX_DIM };
	}
	using checkpoint = await openModel(name, host);
	const { config } = checkpoint;
	return {
		modelCameras: cameraKeys(config),
		chunkSize: config.chunk_size,
		maxDim: Math.min(config.max_state_dim, config.max_action_dim),
	};
}
