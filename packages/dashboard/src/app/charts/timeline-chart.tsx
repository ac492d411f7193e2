// Who did what when in a round: a lane per site with the weights' way to it, its work, and the way back; the server's own
// lane below. Hover and screen readers get the same words.
import type { Timeline, TimelineTask } from "@zk0/dashboard/views";
import { formatSeconds } from "../format.ts";
import { useWidth } from "../parts/width.ts";

const LANE = 26;
const LABELS = 128;
const AXIS = 26;
/** More lanes are not readable; the slowest are the ones that matter. */
const MAX_LANES = 24;

interface Bar {
	readonly kind: "pull" | "train" | "upload" | "evaluate" | "aggregate" | "refused" | "failed" | "late";
	readonly fromMs: number;
	readonly toMs: number;
	readonly isOpen: boolean;
}

/** The chart; tasks that are under way reach to `nowMs`. */
export function TimelineChart({ timeline, nowMs }: { readonly timeline: Timeline; readonly nowMs: number }) {
	const [box, width] = useWidth<HTMLDivElement>();
	const startMs = Date.parse(timeline.startedAt);
	const bySite = new Map<string, TimelineTask[]>();
	for (const task of timeline.tasks) bySite.set(task.site, [...(bySite.get(task.site) ?? []), task]);
	const all = [...bySite].map(([name, tasks]) => ({
		name,
		bars: tasks.flatMap((task) => barsOf(task, nowMs)),
	}));
	const slowest = all.sort((a, b) => lastOf(b.bars) - lastOf(a.bars)).slice(0, MAX_LANES);
	const lanes = slowest.sort((a, b) => (a.name < b.name ? -1 : 1));
	const { aggregation } = timeline;
	if (aggregation !== null)
		lanes.push({
			name: "server",
			bars: [
				{
					kind: "aggregate",
					fromMs: Date.parse(aggregation.startedAt),
					toMs: aggregation.endAt === null ? nowMs : Date.parse(aggregation.endAt),
					isOpen: aggregation.endAt === null,
				},
			],
		});
	const endMs = Math.max(startMs + 1000, ...lanes.map(({ bars }) => lastOf(bars)));
	const drawn = Math.max(50, width - LABELS - 12);
	const x = (ms: number): number => LABELS + ((ms - startMs) / (endMs - startMs)) * drawn;
	const height = lanes.length * LANE + AXIS;
	return (
		<div ref={box} class="timeline">
			{width > 0 && (
				<svg width={width} height={height} role="img" aria-label={describe(timeline, lanes)}>
					{ticksOf((endMs - startMs) / 1000).map((seconds) => (
						<g key={seconds}>
							<line
								class="grid"
								x1={x(startMs + seconds * 1000)}
								x2={x(startMs + seconds * 1000)}
								y1={0}
								y2={height - AXIS}
							/>
							<text class="tick" x={x(startMs + seconds * 1000)} y={height - 8}>
								{formatTick(seconds)}
							</text>
						</g>
					))}
					{lanes.map(({ name, bars }, index) => (
						<g key={name} transform={`translate(0 ${index * LANE})`}>
							<text class="lane" x={LABELS - 10} y={LANE / 2 + 4}>
								{name.length > 17 ? `${name.slice(0, 16)}…` : name}
							</text>
							{bars.map((bar) => (
								<rect
									key={`${bar.kind} ${bar.fromMs}`}
									class={`bar ${bar.kind}${bar.isOpen ? " open" : ""}`}
									x={x(bar.fromMs)}
									y={5}
									width={Math.max(2, x(bar.toMs) - x(bar.fromMs))}
									height={LANE - 10}
									rx={3}
								>
									<title>{`${name}: ${bar.kind}, ${formatSeconds((bar.toMs - bar.fromMs) / 1000)}${bar.isOpen ? " so far" : ""}`}</title>
								</rect>
							))}
						</g>
					))}
				</svg>
			)}
			{bySite.size > MAX_LANES && (
				<p class="quiet">
					The {MAX_LANES} sites that finished last, of {bySite.size}.
				</p>
			)}
		</div>
	);
}

const USUAL = ["pull", "train", "upload", "aggregate", "evaluate"] as const;
const UNUSUAL = ["refused", "failed", "late"] as const;

/** What the colours mean; those of failures when there are any. */
export function TimelineLegend({ timeline }: { readonly timeline: Timeline | null }) {
	const outcomes = new Set(timeline?.tasks.map(({ outcome }) => outcome));
	const kinds = [...USUAL, ...UNUSUAL.filter((kind) => outcomes.has(kind))];
	return (
		<ul class="legend">
			{kinds.map((kind) => (
				<li key={kind}>
					<i class={`swatch ${kind}`} />
					{kind}
				</li>
			))}
		</ul>
	);
}

function barsOf(task: TimelineTask, nowMs: number): Bar[] {
	const fromMs = Date.parse(task.sentAt);
	const toMs = task.endAt === null ? nowMs : Date.parse(task.endAt);
	const isOpen = task.endAt === null;
	const work = task.phase;
	if (task.outcome === "refused" || task.outcome === "failed" || task.outcome === "late")
		return [{ kind: task.outcome, fromMs, toMs, isOpen }];
	const { pullSeconds, workSeconds } = task;
	if (pullSeconds === null || workSeconds === null) return [{ kind: work, fromMs, toMs, isOpen }];
	const workMs = Math.min(toMs, fromMs + pullSeconds * 1000);
	const upMs = Math.min(toMs, workMs + workSeconds * 1000);
	return [
		{ kind: "pull", fromMs, toMs: workMs, isOpen: false },
		{ kind: work, fromMs: workMs, toMs: upMs, isOpen: false },
		{ kind: "upload", fromMs: upMs, toMs, isOpen: false },
	];
}

function lastOf(bars: readonly Bar[]): number {
	return Math.max(0, ...bars.map(({ toMs }) => toMs));
}

function ticksOf(seconds: number): number[] {
	const steps = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400];
	const step = steps.find((candidate) => seconds / candidate <= 7) ?? 86_400;
	return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step);
}

function formatTick(seconds: number): string {
	if (seconds < 60) return `${seconds} s`;
	if (seconds < 3600) return `${Math.round(seconds / 6) / 10} min`;
	return `${Math.round(seconds / 360) / 10} h`;
}

function describe(
	timeline: Timeline,
	lanes: readonly { readonly name: string; readonly bars: readonly Bar[] }[],
): string {
	const parts = lanes.map(({ name, bars }) => {
		const done = bars.map((bar) => `${bar.kind} ${formatSeconds((bar.toMs - bar.fromMs) / 1000)}`);
		return `${name}: ${done.join(", ")}`;
	});
	return `Round ${timeline.round}. ${parts.join(". ")}`;
}
