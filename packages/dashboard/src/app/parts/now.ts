// The time, for what is still going on.
import { useEffect, useState } from "preact/hooks";

/** The time in milliseconds, again every second while `isRunning`. */
export function useNow(isRunning: boolean): number {
	const [now, setNow] = useState(() => Date.now());
	useEffect(() => {
		if (!isRunning) return undefined;
		const timer = setInterval(() => setNow(Date.now()), 1000);
		return () => clearInterval(timer);
	}, [isRunning]);
	return now;
}
