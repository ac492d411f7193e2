// The README.md of a dataset on the hub, from what its metadata says: YAML that the hub indexes, then facts for people.
import type { LeRobotDataset } from "@zk0/dataset";
import { formatDuration } from "@zk0/records/format";

/** Most tasks that are listed one by one. */
const MAX_TASKS = 50;

/** A dataset's card. `license` is an identifier of the hub's list, or null to state none. */
export function datasetCard(dataset: LeRobotDataset, repo: string, license: string | null): string {
	const { info, robotType, fps, numFrames, numEpisodes, cameraKeys, features, tasks } = dataset;
	const seconds = numFrames / fps;
	const name = repo.split("/").at(-1) ?? repo;
	const front = [
		"---",
		...(license === null ? [] : [`license: ${license}`]),
		"task_categories:",
		"- robotics",
		"tags:",
		"- LeRobot", // what LeRobot's own listing looks for
		...(robotType === null ? [] : [`- ${JSON.stringify(robotType)}`]),
		"configs:",
		"- config_name: default",
		"  data_files: data/*/*.parquet",
		"---",
	];
	const facts: [string, string][] = [
		["Robot", robotType ?? "not recorded"],
		["Episodes", String(numEpisodes)],
		["Frames", `${numFrames} at ${fps} per second (${formatDuration(seconds * 1000)})`],
		...(["observation.state", "action"] as const).flatMap((key): [string, string][] => {
			const feature = features[key];
			return feature === undefined ? [] : [[key, numbersOf(feature.shape, feature.names)]];
		}),
		...cameraKeys.map((key): [string, string] => {
			const shape = features[key]?.shape ?? [];
			return [key, `${features[key]?.dtype ?? "video"}, ${shape.join(" × ")}`];
		}),
		["Format", `LeRobotDataset ${info.codebase_version}`],
	];
	const listed = tasks.slice(0, MAX_TASKS).map((task) => `- ${oneLine(task)}`);
	if (tasks.length > MAX_TASKS) listed.push(`- and ${tasks.length - MAX_TASKS} more`);
	return [
		...front,
		"",
		`# ${name}`,
		"",
		"Recordings of a robot in the [LeRobot](https://github.com/huggingface/lerobot) format.",
		"",
		"| | |",
		"|---|---|",
		...facts.map(([label, value]) => `| ${oneLine(label)} | ${oneLine(value)} |`),
		"",
		"## Tasks",
		"",
		...listed,
		"",
		"## Use",
		"",
		"```",
		`zk0 train hf:${repo}`,
		"```",
		"",
		"```python",
		"from lerobot.datasets.lerobot_dataset import LeRobotDataset",
		`dataset = LeRobotDataset(${JSON.stringify(repo)})`,
		"```",
		"",
	].join("\n");
}

function numbersOf(shape: readonly number[], names: unknown): string {
	const list = Array.isArray(names) ? names.flat().filter((name) => typeof name === "string") : [];
	const size = shape.join(" × ");
	return list.length === 0 ? size : `${size}: ${list.join(", ")}`;
}

/** Text that cannot break out of a table cell or a list item. */
function oneLine(text: string): string {
	return text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|").trim();
}
