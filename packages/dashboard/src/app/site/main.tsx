// The page of a site, on the site's own machine.
import { startApp } from "../start.tsx";
import { SiteShell } from "./shell.tsx";

await startApp({
	Shell: SiteShell,
	hint: (
		<>
			In a terminal on this machine, <code>zk0 client page</code> prints a link that opens this page. It works
			once; is it used up, stop the command with Ctrl-C and start it again.
		</>
	),
});
