// Translation of file-system failures into this package's codes.
import { codeOf } from "@zk0/arrays";
import { FederationError, isCancelled } from "./errors.ts";

const FULL_CODES = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** A file-system failure as `disk-full` or `storage`; errors that already have a code pass unchanged. */
export function storageError(thrown: unknown, what: string): Error {
	if (thrown instanceof FederationError) return thrown;
	if (isCancelled(thrown))
		return new FederationError("cancelled", `${what} was cancelled`, { cause: thrown });
	const code = codeOf(thrown) ?? "";
	return storageErrorFromCode(code, what, thrown);
}

/** The same for an error known only by its code. */
export function storageErrorFromCode(code: string, what: string, cause: unknown): FederationError {
	if (FULL_CODES.has(code)) {
		const message = `${what}: no space left (${code}); nothing was replaced, free space and resume`;
		return new FederationError("disk-full", message, { cause });
	}
	return new FederationError("storage", `${what}: ${code === "" ? String(cause) : code}`, { cause });
}
