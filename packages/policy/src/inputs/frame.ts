// What a policy is given: one observation, and for training the recorded actions.

/** Pixels of one camera, row-major. */
export type PolicyImage =
	| {
			readonly height: number;
			readonly width: number;
			/** Interleaved RGB, `[height, width, 3]`, 0..255. */
			readonly rgb: Uint8Array;
	  }
	| {
			readonly height: number;
			readonly width: number;
			/** Planes R, G, B, `[3, height, width]`, 0..1. */
			readonly planes: Float32Array;
	  };

/** One observation in the robot's own units. */
export interface Frame {
	/** By policy camera key. A camera of the model that is absent here is masked out for this frame. */
	readonly images: ReadonlyMap<string, PolicyImage>;
	/** `[stateLength]`, raw units. */
	readonly state: Float32Array;
	/** The instruction, in words. */
	readonly task: string;
	/** `[chunkSize, actionLength]`, raw units; needed for training. */
	readonly actions?: Float32Array;
	/** `[chunkSize]`, 1 where the chunk reaches beyond the episode; absent: all real. */
	readonly actionIsPad?: Uint8Array;
}
