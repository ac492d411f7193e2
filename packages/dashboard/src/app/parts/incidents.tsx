// What went wrong, in plain words, with what to do about it.
import type { Incident } from "@zk0/dashboard/views";
import { formatClock, formatTime } from "../format.ts";
import { Empty } from "./card.tsx";

const SIGN = { note: "i", warning: "!", error: "✕" } as const;

/** Incidents, the newest first. */
export function Incidents({
	incidents,
	limit = 30,
	nothing = "Nothing went wrong so far",
}: {
	readonly incidents: readonly Incident[];
	readonly limit?: number;
	readonly nothing?: string;
}) {
	if (incidents.length === 0) return <Empty>{nothing}</Empty>;
	const newest = incidents.slice(-limit).reverse();
	return (
		<ul class="incidents" tabIndex={0} aria-label="What happened, newest first">
			{newest.map(({ at, severity, text, cure, detail, round }, index) => (
				<li key={`${at} ${index}`} class={severity}>
					<span class="sign" aria-label={severity} role="img">
						{SIGN[severity]}
					</span>
					<div>
						<p>
							{text} <time title={formatTime(at)}>{formatClock(at)}</time>
							{round !== null && <span class="quiet"> in round {round}</span>}
						</p>
						{cure !== null && <p class="cure">{cure}</p>}
						{detail !== null && (
							<details>
								<summary>Its own words</summary>
								<code>{detail}</code>
							</details>
						)}
					</div>
				</li>
			))}
		</ul>
	);
}
