// What a refusal is called, for tests of refusals.
import { PolicyError } from "../errors.ts";

/** The code of the PolicyError that `run` throws, or "no error"; any other error is thrown on. */
export async function codeOf(run: () => unknown): Promise<string> {
	try {
		await run();
	} catch (error) {
		if (error instanceof PolicyError) return error.code;
		throw error;
	}
	return "no error";
}
