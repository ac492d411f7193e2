// What stands before every route: the headers of every answer, the names under which the server may be asked (a page
// elsewhere that points its own name at this address is turned away), and that changes come from the server's own pages.
import { timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { HttpError } from "./http-error.ts";

const CONTENT_POLICY = [
	"default-src 'none'",
	"script-src 'self'",
	"style-src 'self'",
	"img-src 'self' data:",
	"media-src 'self'",
	"font-src 'self'",
	"connect-src 'self'",
	"base-uri 'none'",
	"form-action 'none'",
	"frame-ancestors 'none'",
].join("; ");

/** Headers of every answer. */
export function securityHeaders(isEncrypted: boolean): Readonly<Record<string, string>> {
	return {
		"content-security-policy": CONTENT_POLICY,
		"x-content-type-options": "nosniff",
		"x-frame-options": "DENY",
		"referrer-policy": "no-referrer",
		"cross-origin-opener-policy": "same-origin",
		"cross-origin-resource-policy": "same-origin",
		"permissions-policy": "camera=(), microphone=(), geolocation=()",
		"cache-control": "no-store",
		...(isEncrypted ? { "strict-transport-security": "max-age=31536000" } : {}),
	};
}

/** The request's own `host:port`. @throws HttpError wrong-host for a name that is not the server's */
export function checkHost(headers: IncomingHttpHeaders, names: ReadonlySet<string>): string {
	const { host = "" } = headers;
	if (names.has(nameOf(host))) return host;
	throw new HttpError("wrong-host", "this server is not asked under that name");
}

/** The name without its port. */
function nameOf(host: string): string {
	return host.replace(/:\d*$/, "").toLowerCase();
}

/**
 * Refuses changes that another site's page asks a browser for. Browsers state the page's origin; other programs state
 * none, and carry no cookie.
 * @throws HttpError forbidden
 */
export function checkOrigin(headers: IncomingHttpHeaders, host: string, isEncrypted: boolean): void {
	const { origin } = headers;
	const from = headers["sec-fetch-site"];
	const own = `${isEncrypted ? "https" : "http"}://${host}`;
	const isForeign =
		(origin !== undefined && origin !== own) || (from !== undefined && from !== "same-origin");
	if (isForeign) throw new HttpError("forbidden", "the request comes from another site's page");
}

/** True when two secrets are equal; takes the same time wherever they differ. */
export function isSameSecret(given: string, wanted: string): boolean {
	const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
	return a.length === b.length && timingSafeEqual(a, b);
}
