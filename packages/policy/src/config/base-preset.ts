// The configuration of lerobot/smolvla_base, the published policy of 450,046,176 parameters (spec of SmolVLA §1).
import { parsePolicyConfig, type SmolVLAConfig } from "./policy-config.ts";
import { smolvlm2Config, type VlmConfig } from "./vlm-config.ts";

/**
 * Configuration of smolvla_base: three cameras, six joints, chunks of 50 actions. One key differs from the published
 * file: `load_vlm_weights` is false, so that LeRobot does not download a backbone that the checkpoint holds itself.
 */
export function smolvlaBasePreset(): { config: SmolVLAConfig; vlm: VlmConfig } {
	const image = { type: "VISUAL", shape: [3, 256, 256] };
	const config = parsePolicyConfig({
		input_features: {
			"observation.state": { type: "STATE", shape: [6] },
			"observation.images.camera1": image,
			"observation.images.camera2": image,
			"observation.images.camera3": image,
		},
		output_features: { action: { type: "ACTION", shape: [6] } },
		push_to_hub: false,
		prefix_length: 0,
		pad_language_to: "max_length",
		num_expert_layers: 0,
	});
	return { config, vlm: smolvlm2Config() };
}
