// Who took part in which round: a row per site, a square per round, drawn on a canvas because there may be a hundred
// times five hundred. The site table says the same in numbers.
import type { SiteRow } from "@zk0/dashboard/views";
import { useEffect, useRef, useState } from "preact/hooks";
import { useWidth } from "../parts/width.ts";
import { colour, useColours } from "../theme.ts";

/** Room for names, where rows are high enough for them. */
const LABELS = 128;
const MIN_LABELLED = 12;
const MEANING: Readonly<Record<string, readonly [colour: string, words: string]>> = {
	t: ["good", "counted"],
	w: ["accent", "at work"],
	r: ["warn", "refused"],
	f: ["bad", "failed"],
	l: ["muted", "late"],
	"-": ["line", "not asked"],
};

/** The squares; `onPick` is told of a click on one. */
export function Participation({
	sites,
	numRounds,
	onPick,
}: {
	readonly sites: readonly SiteRow[];
	/** Rounds of training so far. */
	readonly numRounds: number;
	readonly onPick: (site: string, round: number) => void;
}) {
	const [box, width] = useWidth<HTMLDivElement>();
	const canvas = useRef<HTMLCanvasElement>(null);
	const colours = useColours();
	const [hover, setHover] = useState<string | null>(null);
	const rowHeight = sites.length <= 30 ? 18 : Math.max(4, Math.floor(600 / sites.length));
	const hasLabels = rowHeight >= MIN_LABELLED;
	const left = hasLabels ? LABELS : 0;
	const cell = Math.min(28, (width - left) / Math.max(1, numRounds));
	const height = sites.length * rowHeight;
	const key = JSON.stringify(sites.map(({ participation }) => participation));
	useEffect(() => {
		const context = canvas.current?.getContext("2d");
		if (canvas.current === null || context == null || width === 0) return;
		const scale = devicePixelRatio;
		canvas.current.width = width * scale;
		canvas.current.height = height * scale;
		context.scale(scale, scale);
		context.font = "12px system-ui, sans-serif";
		context.textAlign = "right";
		context.textBaseline = "middle";
		const gap = cell > 5 ? 1.5 : 0;
		// Asking the style sheet for each of fifty thousand squares would take longer than drawing them.
		const ink = colour("ink");
		const paint = new Map(Object.entries(MEANING).map(([letter, [name]]) => [letter, colour(name)]));
		const unknown = colour("line");
		for (const [row, { site, participation }] of sites.entries()) {
			const y = row * rowHeight;
			if (hasLabels) {
				context.fillStyle = ink;
				context.fillText(site.length > 17 ? `${site.slice(0, 16)}…` : site, LABELS - 10, y + rowHeight / 2);
			}
			for (let round = 1; round <= numRounds; round++) {
				context.fillStyle = paint.get(participation[round] ?? "-") ?? unknown;
				// On whole pixels of the screen: edges between them would shimmer.
				const from = Math.round((left + (round - 1) * cell) * scale) / scale;
				const to = Math.round((left + round * cell) * scale) / scale;
				const wide = Math.max(1 / scale, to - from - gap);
				context.fillRect(from, y + gap, wide, Math.max(1, rowHeight - 2 * gap));
			}
		}
	}, [key, numRounds, width, colours]);
	const at = (event: MouseEvent): { site: string; round: number } | null => {
		const round = Math.floor((event.offsetX - left) / cell) + 1;
		const site = sites[Math.floor(event.offsetY / rowHeight)]?.site;
		return site === undefined || round < 1 || round > numRounds ? null : { site, round };
	};
	const counted = sites.map(({ site, numUpdates }) => `${site} ${numUpdates}`).join(", ");
	return (
		<div ref={box} class="participation">
			<canvas
				ref={canvas}
				class="squares"
				style={{ width: `${width}px`, height: `${height}px` }}
				role="img"
				aria-label={`Updates counted over ${numRounds} rounds: ${counted}`}
				title={hover ?? undefined}
				onMouseMove={(event) => {
					const place = at(event);
					const row = sites.find(({ site }) => site === place?.site);
					const [, words] = MEANING[row?.participation[place?.round ?? 0] ?? "-"] ?? ["", "unknown"];
					setHover(place === null ? null : `${place.site}, round ${place.round}: ${words}`);
				}}
				onClick={(event) => {
					const place = at(event);
					if (place !== null) onPick(place.site, place.round);
				}}
			/>
			<ul class="legend">
				{Object.values(MEANING).map(([name, words]) => (
					<li key={words}>
						<i class={`swatch ${name}`} />
						{words}
					</li>
				))}
			</ul>
		</div>
	);
}
