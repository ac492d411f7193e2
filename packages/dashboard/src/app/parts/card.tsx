// The boxes that pages are made of.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

/** A titled box; `aside` stands beside the title. */
export function Card({
	title,
	aside,
	span = 1,
	children,
}: {
	readonly title: string;
	readonly aside?: ComponentChildren;
	/** Columns of three. */
	readonly span?: 1 | 2 | 3;
	readonly children: ComponentChildren;
}) {
	const id = useId();
	return (
		<section class={`card span-${span}`} aria-labelledby={id}>
			<header class="card-head">
				<h2 id={id}>{title}</h2>
				{aside !== undefined && <div class="card-aside">{aside}</div>}
			</header>
			{children}
		</section>
	);
}

/** What stands where there is nothing to show yet, and what would change that. */
export function Empty({ children = "No data yet" }: { readonly children?: ComponentChildren }) {
	return <p class="empty">{children}</p>;
}

/** A failure in the server's words. */
export function Failure({ text }: { readonly text: string }) {
	return (
		<p class="failure" role="alert">
			{text}
		</p>
	);
}

/** One number with its name. */
export function Figure({
	name,
	value,
	note,
	tone,
	hint,
}: {
	readonly name: string;
	readonly value: ComponentChildren;
	readonly note?: ComponentChildren;
	readonly tone?: "good" | "bad";
	/** What the number means. */
	readonly hint?: string;
}) {
	return (
		<div class="figure" title={hint}>
			<dt>{name}</dt>
			<dd>
				<span class="figure-value">{value}</span>
				{note !== undefined && note !== null && (
					<span class={tone === undefined ? "figure-note" : `figure-note ${tone}`}>{note}</span>
				)}
			</dd>
		</div>
	);
}

/** A short word with a colour that says how things are. */
export function Badge({
	tone = "plain",
	children,
	title,
}: {
	readonly tone?: "plain" | "good" | "bad" | "warn" | "live";
	readonly children: ComponentChildren;
	readonly title?: string;
}) {
	return (
		<span class={`badge ${tone}`} title={title}>
			{children}
		</span>
	);
}

const STATUS_TONE = {
	queued: "plain",
	running: "live",
	completed: "good",
	stopped: "warn",
	failed: "bad",
} as const;

/** How a run stands. */
export function RunBadge({ status }: { readonly status: keyof typeof STATUS_TONE }) {
	return <Badge tone={STATUS_TONE[status]}>{status}</Badge>;
}
