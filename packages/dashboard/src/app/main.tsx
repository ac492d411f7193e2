// The server's dashboard.
import { Shell } from "./shell.tsx";
import { startApp } from "./start.tsx";

await startApp({
	Shell,
	hint: (
		<>
			On the server's machine, <code>zk0 server dashboard</code> prints a link that opens this page signed in.
			Were you given a token? Put it here.
		</>
	),
});
