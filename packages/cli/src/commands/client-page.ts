// `zk0 client page`: joining and following a federation in a browser, on the site's own machine.
import { spawn } from "node:child_process";
import { z } from "zod";
import { defineCommand } from "../command.ts";
import { clientHome, STATE_OPTION } from "../network/home.ts";

const MAX_PORT = 65_535;

/** `zk0 client page`. */
export const clientPage = defineCommand({
	positionals: [
		{
			name: "invitation",
			summary: "the line that `zk0 server invite` printed; it can also be pasted into the page",
			optional: true,
		},
	],
	options: {
		state: STATE_OPTION,
		folder: {
			kind: "text",
			schema: z.string().min(1),
			value: "<dir>",
			summary: "where the page looks for datasets (default: your home, and where LeRobot records to)",
		},
		port: {
			kind: "number",
			schema: z.int().min(0).max(MAX_PORT),
			value: "<n>",
			summary: "port on this machine (default: any free one)",
		},
		open: { kind: "switch", schema: z.boolean(), summary: "open the page in the browser, too" },
	},
	notes: [
		"The link works once and within ten minutes, on this machine only; the page stays until Ctrl-C. The client itself runs in the background and goes on without the page.",
		"From elsewhere: ssh -L <n>:127.0.0.1:<n> <this machine>, with --port <n>.",
	],
	examples: ["zk0 client page", "zk0 client page --open --folder recordings"],
	async run({ values, named, host, output }) {
		const { openSitePage } = await import("../site-page/page-process.ts");
		const home = clientHome(host, values.state);
		await using page = await openSitePage({
			home,
			port: values.port ?? 0,
			invitation: named["invitation"],
			folder: values.folder,
			host,
			output,
		});
		output.result({ link: page.link, port: page.port }, () => `this site's page: ${page.link}`);
		if (values.open === true) openInBrowser(page.link, (line) => output.line(line));
		await new Promise<void>((resolve) => {
			if (host.signal.aborted) resolve();
			else host.signal.addEventListener("abort", () => resolve(), { once: true });
		});
	},
});

const OPENERS: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
	darwin: ["open"],
	win32: ["rundll32", "url.dll,FileProtocolHandler"],
};

function openInBrowser(link: string, say: (line: string) => void): void {
	const [program = "", ...words] = OPENERS[process.platform] ?? ["xdg-open"];
	const child = spawn(program, [...words, link], { detached: true, stdio: "ignore" });
	const failed = (why: string): void => say(`no browser could be opened (${why}); open the link yourself`);
	child.once("error", ({ message }) => failed(message));
	child.once("exit", (code) => {
		if (code !== null && code !== 0) failed(`${program} ended with ${code}`);
	});
	child.unref();
}
