// What stands at the right of every app's bar: whether what is shown is live, and the colours.
import type { Link } from "../stream.ts";
import { useTheme } from "../theme.ts";
import { Badge } from "./card.tsx";

/** How the page's connection is. */
export function LinkBadge({ link }: { readonly link: Link }) {
	if (link === "live") return <Badge tone="live">live</Badge>;
	return <Badge tone="warn">{link === "lost" ? "reconnecting" : "connecting"}</Badge>;
}

/** Goes from the system's colours to light ones to dark ones. */
export function ThemeButton() {
	const [theme, next] = useTheme();
	return (
		<button
			type="button"
			class="flat"
			onClick={next}
			aria-label={`Colours: ${theme}. Change`}
			title={`Colours: ${theme}`}
		>
			{theme === "auto" ? "◐" : theme === "light" ? "○" : "●"}
		</button>
	);
}
