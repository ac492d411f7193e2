// How recordings may be named, for help texts; data-uri.ts reads what is written so.

/** The forms, for help texts. */
export const DATA_FORMS: string =
	"a LeRobot dataset's directory, hf:<user>/<name>[@revision], sim:<task>, or a site profile's .json (`zk0 help data`)";
