// Whether training sees an episode.
import { Badge } from "../parts/card.tsx";

/** A word for an episode's part. */
export function PartBadge({ part }: { readonly part: "train" | "held out" }) {
	return (
		<Badge
			tone={part === "train" ? "plain" : "warn"}
			title={part === "train" ? "Training sees this episode" : "Training never sees this episode"}
		>
			{part}
		</Badge>
	);
}
