// One clock for everything that an episode shows. While videos play, the first of them tells the time; without one, the
// browser's own clock does. What is shown follows frame by frame.
import { useEffect, useMemo, useState } from "preact/hooks";

/** How an episode is played. */
export interface Player {
	/** Frames of the episode, and per second. */
	readonly frames: number;
	readonly fps: number;
	/** What is shown, from 0. */
	readonly frame: number;
	readonly isPlaying: boolean;
	/** Times the recording's own speed. */
	readonly speed: number;
	/** Shows a frame; what is outside of the episode becomes its end. */
	seek(frame: number): void;
	play(): void;
	pause(): void;
	setSpeed(speed: number): void;
	/** Takes a clock that tells the position in frames while it plays. @returns a function that takes it away */
	lead(position: () => number): () => void;
	/** Calls after every change. @returns a function that ends it */
	subscribe(listener: () => void): () => void;
	/** Stops for good. */
	close(): void;
}

/** A player that shows the frame `first`. */
export function createPlayer(frames: number, fps: number, first: number): Player {
	const listeners = new Set<() => void>();
	const leaders = new Set<() => number>();
	const clamp = (frame: number): number => Math.min(frames - 1, Math.max(0, Math.round(frame)));
	const tell = (): void => {
		for (const listener of listeners) listener();
	};
	let frame = clamp(first);
	let isPlaying = false;
	let speed = 1;
	let request = 0;
	/** Where and when the own clock was started. */
	let origin = { frame, atMs: 0 };
	const restart = (): void => {
		origin = { frame, atMs: performance.now() };
	};
	const step = (): void => {
		const [leader] = leaders;
		const own = origin.frame + ((performance.now() - origin.atMs) / 1000) * fps * speed;
		const position = leader === undefined ? own : leader();
		// A leader that has just been set back tells of the past for a moment.
		const next = clamp(Math.floor(position));
		if (next !== frame) {
			frame = next;
			tell();
		}
		if (frame === frames - 1) player.pause();
		else request = requestAnimationFrame(step);
	};
	const player: Player = {
		frames,
		fps,
		get frame() {
			return frame;
		},
		get isPlaying() {
			return isPlaying;
		},
		get speed() {
			return speed;
		},
		seek(wanted) {
			frame = clamp(wanted);
			restart();
			tell();
		},
		play() {
			if (isPlaying) return;
			if (frame === frames - 1) frame = 0;
			isPlaying = true;
			restart();
			tell();
			request = requestAnimationFrame(step);
		},
		pause() {
			if (!isPlaying) return;
			isPlaying = false;
			cancelAnimationFrame(request);
			tell();
		},
		setSpeed(wanted) {
			speed = wanted;
			restart();
			tell();
		},
		lead(position) {
			leaders.add(position);
			return () => {
				leaders.delete(position);
				restart();
			};
		},
		subscribe(listener) {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},
		close() {
			isPlaying = false;
			cancelAnimationFrame(request);
			listeners.clear();
		},
	};
	return player;
}

/** A player for as long as the page shows the episode. */
export function usePlayer(frames: number, fps: number, first: number): Player {
	const player = useMemo(() => createPlayer(frames, fps, first), [frames, fps]);
	useEffect(() => () => player.close(), [player]);
	return player;
}

/** What the player shows, again whenever it changes. */
export function usePlayed(player: Player): Pick<Player, "frame" | "isPlaying" | "speed"> {
	const read = () => ({ frame: player.frame, isPlaying: player.isPlaying, speed: player.speed });
	const [shown, setShown] = useState(read);
	useEffect(() => {
		setShown(read());
		return player.subscribe(() => setShown(read()));
	}, [player]);
	return shown;
}

/** Seconds with hundredths, minutes where there are some. */
export function formatPosition(frame: number, fps: number): string {
	const seconds = frame / fps;
	const minutes = Math.floor(seconds / 60);
	const rest = (seconds - 60 * minutes).toFixed(2);
	return `${minutes}:${rest.padStart(5, "0")}`;
}
