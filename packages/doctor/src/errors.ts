// The one operational error of this package. Defects of a dataset are findings; this is for what cannot be examined.

/** What went wrong, stable across versions. */
export type DoctorErrorCode =
	/** There is nothing at the path. */
	| "not-found"
	/** The path is not the folder of a LeRobot dataset. */
	| "not-a-dataset"
	/** A profile cannot be read or has an unknown key. */
	| "bad-profile"
	/** A profile was made for other recordings, or another policy, than the ones at hand. */
	| "profile-mismatch"
	/** No episode is good enough to be kept. */
	| "nothing-left"
	/** The place of a repaired copy or profile is taken, or inside the examined dataset. */
	| "target-exists";

/** The doctor cannot do what it was asked; the message says the cure. */
export class DoctorError extends Error {
	override readonly name = "DoctorError";
	readonly code: DoctorErrorCode;
	/** Absolute path of the file or folder at fault. */
	readonly file: string | undefined;

	constructor(
		code: DoctorErrorCode,
		message: string,
		details: { readonly file?: string; readonly cause?: unknown } = {},
	) {
		super(`[${code}] ${message}`, details.cause === undefined ? undefined : { cause: details.cause });
		this.code = code;
		this.file = details.file;
	}
}
