// Links that stay on the page's connection.
import type { ComponentChildren } from "preact";
import { go } from "../location.ts";

/** A link to another page of the dashboard. */
export function Link({
	to,
	children,
	...rest
}: {
	readonly to: string;
	readonly children: ComponentChildren;
	readonly class?: string;
	readonly title?: string;
	readonly "aria-current"?: "page" | "step" | undefined;
}) {
	const onClick = (event: MouseEvent): void => {
		// With a key held down, the browser opens another tab by itself.
		if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
		event.preventDefault();
		go(to);
	};
	return (
		<a href={to} onClick={onClick} {...rest}>
			{children}
		</a>
	);
}
