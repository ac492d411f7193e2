// Lines of a process for the one that started it.

/** Prints one JSON object as a line. */
export function printLine(line: object): void {
	process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Highest resident memory so far and processor time of this process. */
export function usageNow(): { readonly peakRssMb: number; readonly cpuSeconds: number } {
	const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
	return { peakRssMb: Math.round(maxRSS / 1024), cpuSeconds: (userCPUTime + systemCPUTime) / 1e6 };
}
