// Episodes as people list them: `0-9,12`.
import { z } from "zod";

/** More episodes than any dataset has: a mistyped range is an error, not a full memory. */
const MAX_EPISODES = 10_000_000;

/** The episodes of a list in its order, each once, or what is wrong with it. */
export function parseEpisodeList(text: string): { episodes: readonly number[] } | { problem: string } {
	const chosen = new Set<number>();
	for (const part of text.split(",")) {
		const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
		const [first, last] = [Number(from), Number(to)];
		if (!(first <= last) || last >= MAX_EPISODES) {
			return { problem: `"${part}" is not an episode or a range like 0-9` };
		}
		for (let episode = first; episode <= last; episode++) chosen.add(episode);
	}
	return { episodes: [...chosen] };
}

/** Schema of an option with a list of episodes. */
export const episodeList: z.ZodType<readonly number[], string> = z.string().transform((text, context) => {
	const list = parseEpisodeList(text);
	if ("episodes" in list) return list.episodes;
	context.addIssue({ code: "custom", message: list.problem });
	return z.NEVER;
});

/** Schema of an option with names, separated by commas. */
export const nameList: z.ZodType<readonly string[], string> = z
	.string()
	.transform((text) => text.split(",").filter((name) => name !== ""));
