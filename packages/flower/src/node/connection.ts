// What both ends of a connection must agree on: TLS 1.3 always, plaintext only inside one machine.
import { isIP } from "node:net";

/** The oldest protocol version that is spoken. */
export const TLS_MIN_VERSION = "TLSv1.3";

/** True for addresses that never leave the machine: 127.0.0.0/8, ::1 and `localhost`. */
export function isLoopback(host: string): boolean {
	if (host === "localhost" || host === "::1") return true;
	return isIP(host) === 4 && host.startsWith("127.");
}

/** @throws TypeError when `host` is not a loopback address. */
export function checkPlaintextHost(host: string): void {
	if (!isLoopback(host))
		throw new TypeError(
			`Plaintext is for loopback addresses only, not "${host}"; give certificates instead.`,
		);
}

/** Bytes that may be under way on a stream; HTTP/2's default of 64 KiB limits a site 50 ms away to 1.3 MB/s. */
export const FLOW_CONTROL_WINDOW_BYTES: number = 4 * 1024 * 1024;
