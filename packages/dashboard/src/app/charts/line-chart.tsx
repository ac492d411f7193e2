// Curves over rounds or bytes (uPlot): any number of series, a band for a spread, a level to compare with. The numbers
// behind the picture are a table below it, for those who do not see it and those who want to copy them.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { useWidth } from "../parts/width.ts";
import { colour, useColours } from "../theme.ts";

/** A curve. */
export interface Curve {
	readonly name: string;
	/** One per x; null is a gap. */
	readonly values: readonly (number | null)[];
	/** Name of a colour of the style sheet. */
	readonly colour: string;
	readonly width?: number;
	readonly isDashed?: boolean;
	/** Only the edge of a band: no line of its own. */
	readonly isEdge?: boolean;
	/** Bars instead of a line. */
	readonly isBars?: boolean;
}

/** What a chart shows. */
export interface LineChartProps {
	/** What the chart is about, for those who do not see it. */
	readonly label: string;
	readonly x: readonly number[];
	readonly xName: string;
	readonly curves: readonly Curve[];
	/** Fills between two curves, by their indices: upper, lower. */
	readonly bands?: readonly (readonly [number, number])[];
	readonly format: (value: number) => string;
	readonly formatX?: (value: number) => string;
	readonly height?: number;
	/** Charts with one key show the same place. */
	readonly syncKey?: string;
	readonly fromZero?: boolean;
	readonly onPick?: (index: number) => void;
}

/** The chart. */
export function LineChart(props: LineChartProps) {
	const { label, x, curves, height = 260 } = props;
	const [box, width] = useWidth<HTMLDivElement>();
	const plot = useRef<uPlot | null>(null);
	const colours = useColours();
	const shape = JSON.stringify([
		curves.map((curve) => ({ ...curve, values: [] })),
		props.bands,
		colours,
		width,
		height,
	]);
	const data = [x, ...curves.map(({ values }) => values)];
	// uPlot takes plain arrays and does not change them.
	const plain = data as unknown as uPlot.AlignedData;
	const current = useRef(props);
	current.current = props;
	useEffect(() => {
		if (width === 0 || box.current === null) return undefined;
		const made = new uPlot(optionsOf(current, width, height), plain, box.current);
		made.setLegend({ idx: x.length - 1 });
		plot.current = made;
		return () => {
			made.destroy();
			plot.current = null;
		};
		// The data are set below; only another look makes another chart.
	}, [shape]);
	useEffect(() => {
		plot.current?.setData(plain);
		plot.current?.setLegend({ idx: x.length - 1 });
	}, [JSON.stringify(data)]);
	return (
		<figure class="chart" aria-label={label}>
			<div ref={box} class="plot" aria-hidden="true" />
			<Numbers {...props} />
		</figure>
	);
}

/** Rows of the table of numbers: the newest. */
const NUM_ROWS = 200;

/** The numbers behind the picture, made when somebody opens them. */
function Numbers({ label, x, xName, curves, format, formatX = String }: LineChartProps) {
	const [isOpen, setOpen] = useState(false);
	const shown = curves.filter(({ isEdge }) => isEdge !== true);
	const first = Math.max(0, x.length - NUM_ROWS);
	return (
		<details class="numbers" onToggle={(event) => setOpen(event.currentTarget.open)}>
			<summary>Numbers</summary>
			{isOpen && (
				<div class="table-box" tabIndex={0} role="region" aria-label={`${label}, numbers`}>
					<table>
						<thead>
							<tr>
								<th scope="col" class="number">
									{xName}
								</th>
								{shown.map(({ name }) => (
									<th key={name} scope="col" class="number">
										{name}
									</th>
								))}
							</tr>
						</thead>
						<tbody>
							{x.slice(first).map((at, index) => (
								<tr key={at}>
									<td class="number">{formatX(at)}</td>
									{shown.map(({ name, values }) => {
										const value = values[first + index];
										return (
											<td key={name} class="number">
												{value == null ? "–" : format(value)}
											</td>
										);
									})}
								</tr>
							))}
						</tbody>
					</table>
				</div>
			)}
		</details>
	);
}

function optionsOf(
	current: { readonly current: LineChartProps },
	width: number,
	height: number,
): uPlot.Options {
	const { curves, bands = [], xName, syncKey, fromZero } = current.current;
	const ink = colour("muted");
	const grid = { stroke: colour("line"), width: 1 };
	const font = "12px system-ui, sans-serif";
	const axis = { stroke: ink, grid, font, ticks: { show: false }, labelFont: font };
	const write = (value: number | null): string => (value === null ? "–" : current.current.format(value));
	return {
		width,
		height,
		...(syncKey === undefined ? {} : { cursor: cursorOf(current, syncKey) }),
		legend: { live: true },
		// Where nobody points, the legend tells the newest values.
		hooks: {
			setCursor: [
				(plot) => {
					if (plot.cursor.idx == null) plot.setLegend({ idx: current.current.x.length - 1 });
				},
			],
		},
		scales: {
			x: { time: false },
			y: fromZero === true ? { range: (_: uPlot, __: number, max: number) => [0, (max || 1) * 1.08] } : {},
		},
		axes: [
			{
				...axis,
				size: 32,
				values: (_: uPlot, ticks: number[]) => ticks.map((tick) => (current.current.formatX ?? String)(tick)),
				incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12],
			},
			{ ...axis, size: 64, values: (_: uPlot, ticks: (number | null)[]) => ticks.map(write) },
		],
		series: [
			{
				label: xName,
				value: (_: uPlot, value: number | null) =>
					value === null ? "–" : (current.current.formatX ?? String)(value),
			},
			...curves.map(
				({ name, colour: paint, width: stroke = 2, isDashed, isEdge, isBars }): uPlot.Series => ({
					label: name,
					stroke: isEdge === true ? "transparent" : colour(paint),
					width: isBars === true ? 0 : stroke,
					...(isDashed === true ? { dash: [6, 4] } : {}),
					...(isBars === true && uPlot.paths.bars !== undefined
						? { paths: uPlot.paths.bars({ size: [0.7, 40] }), fill: colour(paint) }
						: {}),
					...(isEdge === true || isBars === true || isDashed === true
						? { points: { show: false } }
						: { points: { size: 5 } }),
					spanGaps: false,
					value: (_: uPlot, value: number | null) => write(value),
				}),
			),
		],
		bands: bands.map(([upper, lower]) => ({
			series: [upper + 1, lower + 1] as [number, number],
			fill: colour("band"),
		})),
	};
}

function cursorOf(current: { readonly current: LineChartProps }, key: string): uPlot.Cursor {
	return {
		sync: { key },
		drag: { x: true, y: false },
		bind: {
			dblclick: (_, __, handler) => handler,
			click: (plot) => () => {
				const { idx } = plot.cursor;
				if (idx != null) current.current.onPick?.(idx);
				return null;
			},
		},
	};
}
