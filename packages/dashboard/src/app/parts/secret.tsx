// A secret that is shown once, to be passed on.
import { useState } from "preact/hooks";

/** The secret, with a button that copies it. */
export function Secret({
	title,
	text,
	onClose,
}: {
	readonly title: string;
	readonly text: string;
	readonly onClose: () => void;
}) {
	const [isCopied, setCopied] = useState(false);
	const copy = (): void => {
		navigator.clipboard.writeText(text).then(
			() => setCopied(true),
			() => setCopied(false),
		);
	};
	return (
		<section class="callout secret" role="status" aria-label={title}>
			<div>
				<strong>{title}</strong>
				<p class="quiet">Shown once and kept nowhere. Send it as you would send a password.</p>
				<code>{text}</code>
			</div>
			<div class="buttons">
				<button type="button" onClick={copy}>
					{isCopied ? "Copied" : "Copy"}
				</button>
				<button type="button" onClick={onClose}>
					Close
				</button>
			</div>
		</section>
	);
}
