// Names of a vector's joints, and which of them are grippers.
import type { Feature } from "@zk0/dataset";

/** Joints of an SO-100 or SO-101. */
const SO_ARM_DIM = 6;

/** Joint names as recorded; null where the recording names none, or not as many as there are numbers. */
export function recordedNames(feature: Feature | undefined): readonly string[] | null {
	const named = feature?.names ?? [];
	const list: readonly unknown[] = Array.isArray(named) ? named : Object.values(named).flat();
	const names = list.filter((name) => typeof name === "string");
	return names.length > 0 && names.length === feature?.shape[0] ? names : null;
}

/** Joint names as recorded, or "joint <n>" from 0. */
export function jointNames(feature: Feature | undefined): readonly string[] {
	return (
		recordedNames(feature) ?? Array.from({ length: feature?.shape[0] ?? 0 }, (_, index) => `joint ${index}`)
	);
}

/** Indices of grippers: by name; without names the sixth of every six, as on an SO-100. */
export function gripperJoints(names: readonly string[]): ReadonlySet<number> {
	const named = names.flatMap((name, index) => (/grip|jaw|claw|finger/i.test(name) ? [index] : []));
	if (named.length > 0) return new Set(named);
	const isUnnamed = names.every((name) => /^(joint|motor)?[\s_]?\d+$/i.test(name));
	if (!isUnnamed || names.length % SO_ARM_DIM !== 0) return new Set();
	return new Set(names.flatMap((_, index) => (index % SO_ARM_DIM === SO_ARM_DIM - 1 ? [index] : [])));
}

/** The part of a name that is the same for the old and the new convention: "main_shoulder_pan" and "shoulder_pan.pos". */
export function bareName(name: string): string {
	return name.replace(/^main_/, "").replace(/\.pos$/, "");
}
