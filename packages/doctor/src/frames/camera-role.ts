// What a camera looks at, by its name and by what moves in its pictures: a camera on the hand sees everything move
// when the arm moves, one that stands sees the arm move before a still background.
import type { VideoFacts } from "./video-facts.ts";

/** Where a camera is mounted. */
export type CameraRole = "top" | "wrist" | "front" | "side";

/** A role and what it was told by. */
export interface RoleGuess {
	readonly role: CameraRole | null;
	readonly from: "name" | "pictures" | "nothing";
	/** Mean share of the picture that changes while the arm moves; null when it could not be measured. */
	readonly changedShare: number | null;
}

/** First match wins. Laptop and phone are what many SO-100 recordings call their front and side cameras. */
const ROLE_NAMES: readonly (readonly [CameraRole, RegExp])[] = [
	["wrist", /wrist|hand|gripper|arm_?cam|ego/i],
	["top", /top|over_?head|above|^up$|_up$|ceiling|bird|high/i],
	["side", /side|left|right|phone|lateral/i],
	["front", /front|forward|laptop|base|webcam|extern|third|scene/i],
];

/** Above: the camera moves with the arm. */
const MOVING_SHARE = 0.45;
/** Below: the camera stands. */
const STANDING_SHARE = 0.3;

/** The role that a camera's name tells; null when it tells none. */
export function roleOfName(key: string): CameraRole | null {
	const name = key.replace(/^observation\.(images?\.)?/, "");
	return ROLE_NAMES.find(([, pattern]) => pattern.test(name))?.[0] ?? null;
}

/** Role of every camera. */
export function cameraRoles(
	cameraKeys: readonly string[],
	videos: readonly VideoFacts[],
): ReadonlyMap<string, RoleGuess> {
	const guesses = new Map<string, RoleGuess>();
	const named = cameraKeys.map((key) => roleOfName(key));
	const free = (["top", "front", "side"] as const).filter((role) => !named.includes(role));
	for (const [at, key] of cameraKeys.entries()) {
		const changedShare = meanChangedShare(videos.filter(({ camera }) => camera === key));
		const byName = named[at] ?? null;
		const motion = changedShare === null ? null : motionOf(changedShare);
		if (byName !== null) guesses.set(key, { role: byName, from: "name", changedShare });
		else if (motion === "moving") guesses.set(key, { role: "wrist", from: "pictures", changedShare });
		else if (motion === "standing")
			guesses.set(key, { role: free.shift() ?? null, from: "pictures", changedShare });
		else guesses.set(key, { role: null, from: "nothing", changedShare });
	}
	return guesses;
}

/** True when the pictures contradict the name. */
export function contradicts({ role, from, changedShare }: RoleGuess): boolean {
	if (from !== "name" || changedShare === null) return false;
	// Far beyond either bound: a name is not doubted for a camera close to the arm.
	return role === "wrist" ? changedShare < 0.05 : changedShare > 0.75;
}

function motionOf(share: number): "moving" | "standing" | "unclear" {
	if (share >= MOVING_SHARE) return "moving";
	return share <= STANDING_SHARE ? "standing" : "unclear";
}

function meanChangedShare(videos: readonly VideoFacts[]): number | null {
	const shares = videos.flatMap(({ changedShare }) => (changedShare === null ? [] : [changedShare]));
	return shares.length === 0 ? null : shares.reduce((sum, share) => sum + share, 0) / shares.length;
}
