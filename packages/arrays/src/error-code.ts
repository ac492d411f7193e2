// The codes that errors carry.

/** The code that Node puts on the errors of its system calls, and every package here on its own; undefined without one. */
export function codeOf(error: unknown): string | undefined {
	if (!(error instanceof Error) || !("code" in error)) return undefined;
	return typeof error.code === "string" ? error.code : undefined;
}
