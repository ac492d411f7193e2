// One joint over the episode (uPlot): recorded action solid, predicted action dashed, measured state thin, chunk starts as
// faint lines, and a playhead that follows the video and that the pointer can drag.
import { useEffect } from "preact/hooks";
import uPlot from "uplot";
import { useWidth } from "../parts/width.ts";
import { colour, useColours } from "../theme.ts";
import { type Player, usePlayed } from "./player.ts";

/** A joint as it is drawn; values one per frame. */
export interface PlottedJoint {
	readonly name: string;
	readonly unit: "deg" | "percent";
	/** Null: there is none of that. */
	readonly action: readonly (number | null)[] | null;
	readonly state: readonly (number | null)[] | null;
	readonly predicted: readonly number[] | null;
	/** Mean absolute errors over the episode. */
	readonly error: number | null;
	readonly holdPose: number | null;
}

/** Smallest range of the vertical axis: a joint at rest must not look as if it moved. */
const LEAST_RANGE = 10;
const HEIGHT = 132;

/** The plot. */
export function JointPlot({
	joint,
	chunks,
	player,
}: {
	readonly joint: PlottedJoint;
	/** First frames of the predicted chunks. */
	readonly chunks: readonly number[];
	readonly player: Player;
}) {
	const [box, width] = useWidth<HTMLDivElement>();
	const colours = useColours();
	useEffect(() => {
		if (width === 0 || box.current === null) return undefined;
		const { fps, frames } = player;
		const seconds = Array.from({ length: frames }, (_, frame) => frame / fps);
		const gaps = seconds.map(() => null);
		const data = [seconds, joint.state ?? gaps, joint.action ?? gaps, joint.predicted ?? gaps];
		// uPlot takes plain arrays and does not change them.
		const plain = data as unknown as uPlot.AlignedData;
		const plot = new uPlot(optionsOf(joint, chunks, { width, fps }), plain, box.current);
		const stop = followPlayer(plot, player);
		return () => {
			stop();
			plot.destroy();
		};
	}, [joint, chunks, player, width, colours]);
	return (
		<figure class="joint" aria-label={`${jointName(joint.name)}: ${summary(joint)}`}>
			<figcaption>
				<b>{jointName(joint.name)}</b>
				<Values joint={joint} player={player} />
			</figcaption>
			<div ref={box} class="joint-plot" aria-hidden="true" />
		</figure>
	);
}

/** `shoulder pan` of `shoulder_pan.pos`. */
export function jointName(name: string): string {
	return name.replace(/\.pos$/, "").replaceAll("_", " ");
}

/** A value with its unit. */
export function formatJoint(value: number | null | undefined, unit: PlottedJoint["unit"]): string {
	return value == null ? "–" : `${value.toFixed(1)}${unit === "deg" ? "°" : " %"}`;
}

function summary({ action, state, unit, error, holdPose }: PlottedJoint): string {
	const values = (action ?? state ?? []).filter((value) => value !== null);
	if (values.length === 0) return "no numbers are recorded";
	const least = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
	const most = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
	const range = `recorded from ${formatJoint(least, unit)} to ${formatJoint(most, unit)}`;
	if (error === null) return range;
	const hold = holdPose === null ? "" : `, of not moving ${formatJoint(holdPose, unit)}`;
	return `${range}; the prediction's mean error is ${formatJoint(error, unit)}${hold}`;
}

/** The numbers at the playhead, and the error over the episode. */
function Values({ joint, player }: { readonly joint: PlottedJoint; readonly player: Player }) {
	const { frame } = usePlayed(player);
	const { unit, action, state, predicted, error, holdPose } = joint;
	return (
		<span class="joint-values">
			{action !== null && <span class="recorded">{formatJoint(action[frame], unit)}</span>}
			{action === null && <span class="measured">{formatJoint(state?.[frame], unit)}</span>}
			{predicted !== null && <span class="predicted">{formatJoint(predicted[frame], unit)}</span>}
			{error !== null && (
				<span
					class={holdPose === null ? undefined : error < holdPose ? "good" : "bad"}
					title={`Mean absolute error over the episode; of not moving: ${formatJoint(holdPose, unit)}`}
				>
					⌀ {formatJoint(error, unit)}
				</span>
			)}
		</span>
	);
}

function optionsOf(
	{ unit }: PlottedJoint,
	chunks: readonly number[],
	{ width, fps }: { readonly width: number; readonly fps: number },
): uPlot.Options {
	const font = "11px system-ui, sans-serif";
	const grid = { stroke: colour("line"), width: 1 };
	const axis = { stroke: colour("muted"), grid, font, ticks: { show: false } };
	const line = (name: string, stroke: number, dash: number[] = []): uPlot.Series => ({
		stroke: colour(name),
		width: stroke,
		dash,
		points: { show: false },
	});
	return {
		width,
		height: HEIGHT,
		legend: { show: false },
		cursor: { show: false },
		padding: [6, 8, 0, 0],
		scales: {
			x: { time: false, range: (_, min, max) => [min, max] },
			y: { range: (_, min, max) => widen(min, max) },
		},
		axes: [
			{ ...axis, size: 22, values: (_, ticks) => ticks.map((tick) => `${tick} s`) },
			{
				...axis,
				size: 46,
				space: 26,
				values: (_, ticks) => ticks.map((tick) => `${tick}${unit === "deg" ? "°" : "%"}`),
			},
		],
		series: [{}, line("muted", 1), line("series-0", 2), line("series-1", 2, [5, 4])],
		hooks: { drawClear: [(plot) => drawChunks(plot, chunks, fps)] },
	};
}

function widen(min: number | null, max: number | null): [number, number] {
	const [low, high] = [min ?? 0, max ?? 0];
	const slack = Math.max((LEAST_RANGE - (high - low)) / 2, (high - low) * 0.08);
	return [low - slack, high + slack];
}

/** A faint line where each chunk was planned. */
function drawChunks(plot: uPlot, chunks: readonly number[], fps: number): void {
	const { ctx: context, bbox } = plot;
	context.save();
	context.strokeStyle = colour("series-1");
	context.globalAlpha = 0.35;
	context.lineWidth = devicePixelRatio;
	context.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
	for (const frame of chunks) {
		const x = Math.round(plot.valToPos(frame / fps, "x", true));
		context.beginPath();
		context.moveTo(x, bbox.top);
		context.lineTo(x, bbox.top + bbox.height);
		context.stroke();
	}
	context.restore();
}

/** Draws the playhead and lets the pointer move it. @returns a function that ends it */
function followPlayer(plot: uPlot, player: Player): () => void {
	const head = document.createElement("div");
	head.className = "playhead";
	plot.over.append(head);
	const place = (): void => {
		head.style.transform = `translateX(${plot.valToPos(player.frame / player.fps, "x")}px)`;
		head.dataset["frame"] = String(player.frame);
	};
	const seek = (event: PointerEvent): void => {
		const x = event.clientX - plot.over.getBoundingClientRect().left;
		player.pause();
		player.seek(plot.posToVal(x, "x") * player.fps);
	};
	const onDown = (event: PointerEvent): void => {
		if (event.button !== 0) return;
		plot.over.setPointerCapture(event.pointerId);
		seek(event);
	};
	const onMove = (event: PointerEvent): void => {
		if (plot.over.hasPointerCapture(event.pointerId)) seek(event);
	};
	plot.over.addEventListener("pointerdown", onDown);
	plot.over.addEventListener("pointermove", onMove);
	// The scales are known when the plot is drawn, which is after it was made.
	plot.hooks["draw"] = [place];
	return player.subscribe(place);
}
