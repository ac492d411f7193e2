// `zk0 server alerts` and `zk0 server alert-test`: what fires, where it is told, and whether that works.
import { serverStatusSchema } from "@zk0/dashboard/status";
import { z } from "zod";
import { defineCommand } from "../command.ts";
import { callAdmin } from "../network/admin-client.ts";
import { STATE_OPTION, serverHome } from "../network/home.ts";

const STATE = { state: STATE_OPTION };

const alertsSchema = z.object({
	webhookHost: z.string().nullable(),
	alerts: serverStatusSchema.shape.alerts,
});

/** `zk0 server alerts`. */
export const serverAlerts = defineCommand({
	options: {
		...STATE,
		webhook: {
			kind: "text",
			schema: z.string().min(1),
			value: "<url>",
			summary:
				"send alerts there from now on, as JSON with a `text` that Slack and others show; off: nowhere",
		},
	},
	notes: [
		"The address is kept in alerts.json of the state folder, readable by its owner only. ZK0_ALERT_WEBHOOK in the server's environment goes before it and leaves no trace in a shell's history.",
	],
	examples: ["zk0 server alerts", "zk0 server alerts --webhook https://hooks.example.org/services/…"],
	async run({ values, host, output }) {
		const home = serverHome(host, values.state);
		if (values.webhook !== undefined) {
			const { setWebhook } = await import("../network/server-monitor.ts");
			await setWebhook(home, values.webhook === "off" ? null : values.webhook);
			const isOff = values.webhook === "off";
			output.result({ webhook: isOff ? "off" : "set" }, () =>
				isOff ? "alerts are sent nowhere" : "alerts are sent there; try it: zk0 server alert-test",
			);
			return;
		}
		const found = await callAdmin(home, { method: "GET", path: "/alerts" }, alertsSchema, host.signal);
		output.result(found, () => {
			const { alerts, webhookHost } = found;
			const lines = alerts.map(
				({ severity, rule, since, message, cure }) =>
					`${severity.padEnd(9)} ${rule} since ${since}\n  ${message}\n  what to do: ${cure}`,
			);
			const sent = webhookHost === null ? "sent nowhere (--webhook <url>)" : `sent to ${webhookHost}`;
			return [...(lines.length === 0 ? ["no alert fires"] : lines), sent].join("\n");
		});
	},
});

/** `zk0 server alert-test`. */
export const serverAlertTest = defineCommand({
	options: STATE,
	async run({ values, host, output }) {
		const sent = await callAdmin(
			serverHome(host, values.state),
			{ method: "POST", path: "/alerts/test" },
			z.object({ host: z.string() }),
			host.signal,
		);
		output.result(sent, () => `delivered to ${sent.host}`);
	},
});
