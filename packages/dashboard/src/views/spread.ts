// How the losses of sites lie: the five numbers of a box plot.
import { z } from "zod";

/** Schema of {@link Spread}. */
export const spreadSchema = z.object({
	min: z.number(),
	q1: z.number(),
	median: z.number(),
	q3: z.number(),
	max: z.number(),
});

/** Minimum, quartiles and maximum. */
export type Spread = z.infer<typeof spreadSchema>;

/** The spread of the known values; null when there are fewer than two, which spread nothing. */
export function spreadOf(values: readonly (number | null)[]): Spread | null {
	const known = values.filter((value) => value !== null).sort((a, b) => a - b);
	if (known.length < 2) return null;
	const at = (share: number): number => {
		const position = share * (known.length - 1);
		const below = known[Math.floor(position)] ?? 0;
		const above = known[Math.ceil(position)] ?? 0;
		return below + (above - below) * (position - Math.floor(position));
	};
	return { min: at(0), q1: at(0.25), median: at(0.5), q3: at(0.75), max: at(1) };
}
