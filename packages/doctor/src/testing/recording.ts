// A small recording with nothing wrong: six joints in degrees that rest, move and rest, a camera that stands and one
// that moves with the arm. Tests copy it and plant one defect.
import { createDatasetWriter, type DatasetWriterOptions, type EpisodeInput } from "@zk0/dataset";

/** Joint names of an SO-100 as LeRobot writes them today. */
export const JOINTS = [
	"shoulder_pan.pos",
	"shoulder_lift.pos",
	"elbow_flex.pos",
	"wrist_flex.pos",
	"wrist_roll.pos",
	"gripper.pos",
] as const;

/** Cameras of the recording. */
export const CAMERAS = [
	{ key: "observation.images.top", height: 64, width: 64 },
	{ key: "observation.images.wrist", height: 64, width: 64 },
] as const;

/** Frames per second. */
export const FPS = 10;
/** Frames of each episode. */
export const LENGTHS = [40, 44, 40, 42] as const;

/** What a test may change before recording. */
export interface RecordingChange {
	readonly options?: Partial<DatasetWriterOptions>;
	readonly episode?: (episode: EpisodeInput, index: number) => EpisodeInput;
	readonly lengths?: readonly number[];
}

/** Angle of a joint: rest, there, rest, back, rest. */
export function poseAt(episode: number, frame: number, joint: number): number {
	const phase =
		frame < 10 ? 0 : frame < 20 ? (frame - 10) / 10 : frame < 26 ? 1 : Math.max(0, 1 - (frame - 26) / 9);
	const smooth = phase * phase * (3 - 2 * phase);
	const reach = [70, -55, 48, 36, -62, 80][joint % 6] ?? 0;
	const rest = [-20, 30, 10, 15, 120, 5][joint % 6] ?? 0;
	return rest + reach * smooth * (1 - 0.07 * ((episode * 5 + joint) % 4));
}

/** A pattern without repetition: grey levels 60..180 by place. */
function texture(row: number, column: number): number {
	return 120 + 60 * Math.sin(row * 0.37 + Math.sin(column * 0.21) * 3) * Math.cos(column * 0.29 - row * 0.11);
}

/** What a camera sees: the wrist's whole picture moves with the arm, the other's shows a bright block that moves. */
export function pictureAt(
	{ height, width }: { readonly height: number; readonly width: number },
	isWrist: boolean,
	pan: number,
	lift: number,
): Uint8Array {
	const rgb = new Uint8Array(height * width * 3);
	for (let row = 0; row < height; row++) {
		for (let column = 0; column < width; column++) {
			const inBlock =
				!isWrist && Math.abs(row - 30 - lift * 0.3) < 9 && Math.abs(column - 30 - pan * 0.6) < 9;
			const level = isWrist ? texture(row + lift * 0.5, column + pan * 0.5) : texture(row, column);
			const at = (row * width + column) * 3;
			rgb[at] = inBlock ? 235 : level;
			rgb[at + 1] = inBlock ? 120 : level;
			rgb[at + 2] = inBlock ? 40 : level * 0.8;
		}
	}
	return rgb;
}

/** One episode of the recording. */
export function episodeAt(
	index: number,
	length: number,
	cameras: readonly { readonly key: string; readonly height: number; readonly width: number }[] = CAMERAS,
): EpisodeInput {
	const values = (delay: number): Float32Array =>
		Float32Array.from({ length: length * JOINTS.length }, (_, at) =>
			poseAt(index, Math.floor(at / JOINTS.length) - delay, at % JOINTS.length),
		);
	const images = cameras.map((camera): [string, Uint8Array[]] => [
		camera.key,
		Array.from({ length }, (_, frame) =>
			pictureAt(
				camera,
				camera.key.includes("wrist"),
				poseAt(index, frame - 1, 0),
				poseAt(index, frame - 1, 1),
			),
		),
	]);
	return { task: TASKS[index % 2] ?? "", states: values(1), actions: values(0), images: new Map(images) };
}

/** The recording's task sentences. */
export const TASKS = ["Put the red cube on the plate", "Push the blue cube away"] as const;

/** Records at `dir`, changed as asked. */
export async function record(
	dir: string,
	{ options, episode, lengths = LENGTHS }: RecordingChange = {},
): Promise<void> {
	await using writer = await createDatasetWriter(dir, {
		fps: FPS,
		robotType: "so100_follower",
		stateNames: JOINTS,
		actionNames: JOINTS,
		cameras: CAMERAS,
		codec: "h264",
		// A limit below one frame puts every episode into a video of its own.
		limits: { videoFileSizeMb: 1e-6 },
		...options,
	});
	for (const [index, length] of lengths.entries()) {
		const made = episodeAt(index, length, options?.cameras);
		await writer.addEpisode(episode === undefined ? made : episode(made, index));
	}
	await writer.finish();
}
