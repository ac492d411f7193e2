// Content-addressed spool (interface; see openObjectStore).

/** A stored object. */
export interface StoredObject {
	readonly sha256: string;
	readonly sizeBytes: number;
	/** Its file; read only. */
	readonly path: string;
}

/** Files addressed by their SHA-256. */
export interface ObjectStore extends AsyncDisposable {
	/** Where the object is, or undefined when it is not there. */
	find(sha256: string): StoredObject | undefined;
}
