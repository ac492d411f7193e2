// A form of one field.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

/** The form; it is empty again when it was sent. */
export function OneField({
	label,
	button,
	hint,
	more,
	onSend,
}: {
	readonly label: string;
	readonly button: string;
	readonly hint?: string;
	/** Between the field and the button. */
	readonly more?: ComponentChildren;
	readonly onSend: (text: string) => void;
}) {
	const [text, setText] = useState("");
	return (
		<form
			class="one-field"
			onSubmit={(event) => {
				event.preventDefault();
				onSend(text.trim());
				setText("");
			}}
		>
			<label>
				{label}{" "}
				<input value={text} placeholder={hint} onInput={(event) => setText(event.currentTarget.value)} />
			</label>
			{more}
			<button type="submit" class="primary">
				{button}
			</button>
		</form>
	);
}
