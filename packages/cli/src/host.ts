// Everything outside the program that commands may touch, as one value, so that tests can run whole commands
// in this process with captured streams and a fixed clock.

/** A text stream that may be a terminal. */
export interface TextStream {
	readonly isTTY: boolean;
	/** Width in characters; 80 when unknown. */
	readonly columns: number;
	/** Height in lines; 24 when unknown. */
	readonly rows: number;
	write(text: string): void;
}

/** The process around a command. */
export interface Host {
	readonly cwd: string;
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly stdout: TextStream;
	readonly stderr: TextStream;
	/** Milliseconds since 1970, for timestamps and for elapsed times. */
	now(): number;
	/** A short random lower-case word that makes run ids unique. */
	randomId(): string;
	/** Aborted by the first Ctrl-C or SIGTERM; the reason is a CliError "interrupted". */
	readonly signal: AbortSignal;
}
