// The episodes of the recordings, to choose one.
import type { RecordingsView } from "@zk0/dashboard/views";
import { useEffect, useRef, useState } from "preact/hooks";
import { formatCount } from "../format.ts";
import { PartBadge } from "./part-badge.tsx";

/** Episodes drawn at once; a list of thousands would slow the page down. */
const LIMIT = 300;

/** The list. */
export function EpisodeList({
	recordings,
	shown,
	onChoose,
}: {
	readonly recordings: RecordingsView;
	/** The episode that is shown. */
	readonly shown: number;
	readonly onChoose: (episode: number) => void;
}) {
	const { episodes, fps, robotType } = recordings;
	const [wanted, setWanted] = useState("");
	const words = wanted.trim().toLowerCase();
	const found = episodes.filter(
		({ index, tasks, part }) =>
			words === "" ||
			String(index) === words ||
			`${tasks.join(" ")} ${part ?? ""}`.toLowerCase().includes(words),
	);
	const list = useRef<HTMLUListElement>(null);
	useEffect(() => {
		// Brings the chosen episode into the list's own view, once.
		list.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
	}, []);
	const frames = episodes.reduce((sum, episode) => sum + episode.frames, 0);
	return (
		<nav class="card episode-list" aria-label="Episodes">
			<p class="quiet">
				{formatCount(episodes.length)} episodes, {formatCount(frames)} frames at {fps}/s
				{robotType === null ? "" : `, ${robotType}`}
			</p>
			<input
				type="search"
				aria-label="Find episodes by number, task or part"
				placeholder="Find"
				value={wanted}
				onInput={(event) => setWanted(event.currentTarget.value)}
			/>
			<ul ref={list} tabIndex={-1}>
				{found.slice(0, LIMIT).map(({ index, frames: length, tasks, part }) => (
					<li key={index}>
						<button
							type="button"
							class="flat"
							{...(index === shown ? { "aria-current": "true" as const } : {})}
							onClick={() => onChoose(index)}
						>
							<b>{index}</b>
							<span class="quiet">{(length / fps).toFixed(1)} s</span>
							{part === "held out" && <PartBadge part={part} />}
							<span class="episode-words" dir="auto">
								{tasks.join(", ")}
							</span>
						</button>
					</li>
				))}
			</ul>
			{found.length === 0 && <p class="quiet">No episode is like that</p>}
			{found.length > LIMIT && (
				<p class="quiet">{formatCount(found.length - LIMIT)} more; find them by number or task</p>
			)}
		</nav>
	);
}
