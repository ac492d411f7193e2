// Which ports a server opens to whom, tried from this machine's own addresses.
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { isLoopback } from "@zk0/flower/node";
import type { Check } from "./server-check.ts";
import type { ServerSettings } from "./server-settings.ts";

const TIMEOUT_MS = 1000;

/** What is open, and whether the admin API answers beyond this machine. */
export async function checkPorts(
	{ listen, port, dashboard }: ServerSettings,
	admin: { readonly port: number } | undefined,
): Promise<Check[]> {
	const to = (address: string): string =>
		isLoopback(address)
			? "this machine only"
			: address === "0.0.0.0" || address === "::"
				? "everybody"
				: address;
	const opened = [
		`${port} for sites: ${to(listen)}`,
		...(dashboard === null ? [] : [`${dashboard.port} for the dashboard: ${to(dashboard.host)}`]),
		...(admin === undefined ? [] : [`${admin.port} for admin: this machine only`]),
	];
	const checks: Check[] = [{ name: "ports", isGood: true, found: opened.join("; "), cure: "" }];
	if (admin === undefined) return checks;
	const outside = Object.values(networkInterfaces())
		.flat()
		.flatMap((one) => (one === undefined || one.internal || one.family !== "IPv4" ? [] : [one.address]));
	for (const address of outside) {
		if (!(await answers(address, admin.port))) continue;
		const cure = `forward nothing to port ${admin.port}: it is for this machine only`;
		checks.push({ name: "admin port", isGood: false, found: `answers on ${address}:${admin.port}`, cure });
	}
	return checks;
}

function answers(host: string, port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect({ host, port, timeout: TIMEOUT_MS });
		const end = (isOpen: boolean) => (): void => {
			socket.destroy();
			resolve(isOpen);
		};
		socket.once("connect", end(true)).once("error", end(false)).once("timeout", end(false));
	});
}
