// The episode viewer as a page of its own (`zk0 data view`).
import { startApp } from "../start.tsx";
import { ViewerShell } from "./shell.tsx";

await startApp({
	Shell: ViewerShell,
	hint: (
		<>
			The link that <code>zk0 data view</code> printed in its terminal opens this page, as long as that runs.
		</>
	),
});
