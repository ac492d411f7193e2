// An episode's cameras side by side. A video is asked for the middle of a frame's time, so that rounding never shows the
// one before; a camera without a video, or with one that the browser cannot play, is shown picture by picture.
import type { EpisodeView, RecordingsView } from "@zk0/dashboard/views";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Player } from "./player.ts";

type Camera = RecordingsView["cameras"][number];

/** How far a video may be from the first one, in seconds, before it is set right. */
const DRIFT_S = 0.08;

/** The cameras. */
export function Cameras({
	cameras,
	episode,
	player,
}: {
	readonly cameras: readonly Camera[];
	readonly episode: EpisodeView;
	readonly player: Player;
}) {
	const [unplayed, setUnplayed] = useState<ReadonlySet<string>>(new Set());
	return (
		<div class="episode-cameras">
			{cameras.map((camera) => {
				const from = episode.videoFrom[camera.key];
				const isVideo = camera.kind === "video" && from !== undefined && !unplayed.has(camera.key);
				const place = { episode: episode.index, camera, player };
				return (
					<figure key={camera.key} class="episode-camera">
						{isVideo ? (
							<Video
								{...place}
								from={from}
								onUnplayed={() => setUnplayed(new Set([...unplayed, camera.key]))}
							/>
						) : (
							<Pictures {...place} />
						)}
						<figcaption>{cameraName(camera.key)}</figcaption>
					</figure>
				);
			})}
		</div>
	);
}

/** `front` of `observation.images.front`. */
export function cameraName(key: string): string {
	return key.replace(/^observation\.(images?\.)?/, "");
}

interface Place {
	readonly episode: number;
	readonly camera: Camera;
	readonly player: Player;
}

function pathOf({ episode, camera }: Place, kind: "videos" | "pictures"): string {
	return `/api/episodes/${episode}/${kind}/${encodeURIComponent(camera.key)}`;
}

function Video({
	from,
	onUnplayed,
	...place
}: Place & { readonly from: number; readonly onUnplayed: () => void }) {
	const { camera, player } = place;
	const element = useRef<HTMLVideoElement>(null);
	useEffect(() => {
		const video = element.current;
		if (video === null) return undefined;
		return follow(video, player, from);
	}, [player, from]);
	return (
		<video
			ref={element}
			src={pathOf(place, "videos")}
			width={camera.width ?? undefined}
			height={camera.height ?? undefined}
			muted
			playsInline
			preload="auto"
			aria-label={`Camera ${cameraName(camera.key)}`}
			onError={onUnplayed}
		/>
	);
}

/** Keeps a video with the player. `data-shown` is the frame that is on the screen, once it is. */
function follow(video: HTMLVideoElement, player: Player, from: number): () => void {
	const { fps } = player;
	const timeOf = (frame: number): number => from + (frame + 0.5) / fps;
	const position = (): number => (video.currentTime - from) * fps;
	const align = (): void => {
		delete video.dataset["shown"];
		// One search at a time: the next begins where the last one ends.
		if (!video.seeking) video.currentTime = timeOf(player.frame);
	};
	const onSeeked = (): void => {
		if (player.isPlaying) return;
		if (Math.abs(video.currentTime - timeOf(player.frame)) > 0.25 / fps) align();
		else video.dataset["shown"] = String(player.frame);
	};
	let stopLeading: (() => void) | null = null;
	let wasPlaying = false;
	let shown = -1;
	const onChange = (): void => {
		video.playbackRate = player.speed;
		if (player.isPlaying && !wasPlaying) {
			delete video.dataset["shown"];
			if (Math.abs(position() - 0.5 - player.frame) > 1) video.currentTime = timeOf(player.frame);
			// A browser that has to wait, or that is told to pause meanwhile, says so by refusing.
			video.play().catch((error: unknown) => {
				if (!(error instanceof DOMException && error.name === "AbortError")) throw error;
			});
			stopLeading = player.lead(position);
		} else if (!player.isPlaying && wasPlaying) {
			stopLeading?.();
			video.pause();
			align();
		} else if (!player.isPlaying && shown !== player.frame) align();
		else if (player.isPlaying && Math.abs(position() - player.frame) > Math.max(2, DRIFT_S * fps))
			video.currentTime = timeOf(player.frame);
		wasPlaying = player.isPlaying;
		shown = player.frame;
	};
	const stopListening = player.subscribe(onChange);
	video.addEventListener("seeked", onSeeked);
	video.addEventListener("loadedmetadata", align);
	if (video.readyState > 0) align();
	return () => {
		stopLeading?.();
		stopListening();
		video.removeEventListener("seeked", onSeeked);
		video.removeEventListener("loadedmetadata", align);
		video.pause();
	};
}

function Pictures(place: Place) {
	const { camera, player } = place;
	const element = useRef<HTMLImageElement>(null);
	useEffect(() => {
		const image = element.current;
		if (image === null) return undefined;
		let loading = -1;
		const show = (): void => {
			if (loading === player.frame) return;
			loading = player.frame;
			delete image.dataset["shown"];
			image.src = `${pathOf(place, "pictures")}/${loading}`;
		};
		// Playing skips what cannot be loaded in time.
		const onChange = (): void => {
			if (image.complete) show();
		};
		const onLoad = (): void => {
			image.dataset["shown"] = String(loading);
			show();
		};
		image.addEventListener("load", onLoad);
		image.addEventListener("error", show);
		const stop = player.subscribe(onChange);
		show();
		return () => {
			stop();
			image.removeEventListener("load", onLoad);
			image.removeEventListener("error", show);
		};
	}, [player, place.episode]);
	return (
		<img
			ref={element}
			alt={`Camera ${cameraName(camera.key)}`}
			width={camera.width ?? undefined}
			height={camera.height ?? undefined}
		/>
	);
}
