// A configuration file to start from: every setting as a comment with its meaning and a preset's default.
import { wrap } from "../help.ts";
import { PRESETS, type PresetName } from "./presets.ts";
import { RUN_OPTIONS, type RunOptionName } from "./run-options.ts";
import { describeSetting, SETTING_NAMES, settingJson, valueSchema } from "./settings.ts";

const WIDTH = 100;

/** What a setting that the presets leave open could be. */
const EXAMPLES: Readonly<Partial<Record<RunOptionName, unknown>>> = {
	data: { kitchen: "recordings/kitchen", lab: "hf:user/name" },
	partition: "iid:4",
	camera: { "kitchen/front": "camera1" },
	init: "hf:lerobot/smolvla_base",
	loraRank: 8,
	loraAlpha: 16,
	learningRate: 1e-4,
	warmupSteps: 100,
	keepCheckpoints: 2,
	threads: 2,
	concurrency: 2,
};

/** The text of the file, JSON with comments; `schema` is the path of the JSON Schema beside it. */
export function configTemplate(preset: PresetName, schema: string): string {
	const settings = SETTING_NAMES.filter((key) => key !== "preset").flatMap((key) => {
		const { summary, takes } = describeSetting(key);
		const value: unknown = PRESETS[preset][key];
		const shown = JSON.stringify(value === null ? exampleOf(key) : settingJson(key, value));
		const open = value === null ? " (left open; an example)" : "";
		return [
			"",
			...wrap(`${summary}${open}`, WIDTH).map((line) => `\t// ${line}`),
			...(summary.includes(takes) ? [] : wrap(`takes ${takes}`, WIDTH).map((line) => `\t// ${line}`)),
			`\t// "${key}": ${shown},`,
		];
	});
	return [
		"// Settings of a federated run: zk0 simulate --config <this file>",
		'// Each line like // "rounds": 6, is a default; take the // away and change the value to set it.',
		"// Flags win over variables (ZK0_…), variables over this file, this file over the preset.",
		"{",
		`\t"$schema": ${JSON.stringify(`./${schema}`)},`,
		`\t"preset": ${JSON.stringify(preset)},`,
		...settings,
		"}",
		"",
	].join("\n");
}

/** A value that the setting takes. */
function exampleOf(key: RunOptionName): unknown {
	const { minimum, exclusiveMinimum, enum: named } = valueSchema(RUN_OPTIONS[key]);
	return (
		EXAMPLES[key] ??
		named?.[0] ??
		minimum ??
		(typeof exclusiveMinimum === "number" ? exclusiveMinimum + 1 : null)
	);
}
