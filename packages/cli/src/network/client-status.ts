// What a client writes down of what it does, for `zk0 client status`.
import { z } from "zod";

/** What a client's status file says. */
export const clientStatusSchema = z.object({
	pid: z.int(),
	site: z.string(),
	server: z.string(),
	at: z.iso.datetime(),
	state: z.string(),
});
