// The controls of an episode: play, frame by frame, scrubber, speed. The keys work wherever the focus is, unless it is in
// something that has its own use for them.
import { useEffect } from "preact/hooks";
import { formatPosition, type Player, usePlayed } from "./player.ts";

const SPEEDS = [0.25, 0.5, 1, 2, 4] as const;
const LEAP = 10;

/** The controls. */
export function Transport({ player }: { readonly player: Player }) {
	const { frame, isPlaying, speed } = usePlayed(player);
	const { frames, fps } = player;
	useEffect(() => {
		const onKey = (event: KeyboardEvent): void => {
			if (isKeyTaken(event) || !obeyKey(player, event)) return;
			event.preventDefault();
		};
		addEventListener("keydown", onKey);
		return () => removeEventListener("keydown", onKey);
	}, [player]);
	const at = `${formatPosition(frame, fps)} of ${formatPosition(frames - 1, fps)}`;
	return (
		<div class="transport" role="group" aria-label="Playback">
			<button
				type="button"
				class="primary"
				aria-label={isPlaying ? "Pause" : "Play"}
				title="Space"
				onClick={() => (isPlaying ? player.pause() : player.play())}
			>
				<Icon name={isPlaying ? "pause" : "play"} />
			</button>
			<button
				type="button"
				aria-label="One frame back"
				title="Left arrow; with shift ten frames"
				onClick={() => stepBy(player, -1)}
			>
				<Icon name="back" />
			</button>
			<button
				type="button"
				aria-label="One frame on"
				title="Right arrow; with shift ten frames"
				onClick={() => stepBy(player, 1)}
			>
				<Icon name="on" />
			</button>
			<input
				type="range"
				class="scrubber"
				aria-label="Frame"
				aria-valuetext={`frame ${frame} of ${frames - 1}, ${at}`}
				min={0}
				max={frames - 1}
				step={1}
				value={frame}
				onInput={(event) => {
					player.pause();
					player.seek(Number(event.currentTarget.value));
				}}
			/>
			<output class="position">
				{at} <span class="quiet">frame {frame}</span>
			</output>
			<label class="pick">
				<span class="unseen">Speed</span>
				<select value={speed} onChange={(event) => player.setSpeed(Number(event.currentTarget.value))}>
					{SPEEDS.map((one) => (
						<option key={one} value={one}>
							{one}×
						</option>
					))}
				</select>
			</label>
		</div>
	);
}

const SHAPES = {
	play: "M4 2.5v11l9-5.5z",
	pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z",
	back: "M3 2.5h2v11H3zM13 2.5v11L6 8z",
	on: "M11 2.5h2v11h-2zM3 2.5v11L10 8z",
} as const;

function Icon({ name }: { readonly name: keyof typeof SHAPES }) {
	return (
		<svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" fill="currentColor">
			<path d={SHAPES[name]} />
		</svg>
	);
}

function stepBy(player: Player, frames: number): void {
	player.pause();
	player.seek(player.frame + frames);
}

/** True where the key has a meaning of its own: text, choices, and space on what it presses. */
function isKeyTaken({ target, key, ctrlKey, metaKey, altKey }: KeyboardEvent): boolean {
	if (ctrlKey || metaKey || altKey || !(target instanceof HTMLElement)) return true;
	if (target instanceof HTMLInputElement) return target.type !== "range";
	if (target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement) return true;
	return key === " " && (target instanceof HTMLButtonElement || target.tagName === "SUMMARY");
}

/** Does what a key asks for. @returns false when it asks for nothing */
function obeyKey(player: Player, { key, shiftKey }: KeyboardEvent): boolean {
	const many = shiftKey ? LEAP : 1;
	if (key === " ") {
		if (player.isPlaying) player.pause();
		else player.play();
	} else if (key === "ArrowLeft") stepBy(player, -many);
	else if (key === "ArrowRight") stepBy(player, many);
	else if (key === "Home") stepBy(player, -player.frames);
	else if (key === "End") stepBy(player, player.frames);
	else return false;
	return true;
}
