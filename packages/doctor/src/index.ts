// Public names of @zk0/doctor.
export { DoctorError, type DoctorErrorCode } from "./errors.ts";
export { compareExaminations, type Examination, type ExamineOptions, examineDataset } from "./examine.ts";
export { type Finding, findingSchema } from "./finding.ts";
export type { Thumbnail } from "./frames/video-facts.ts";
export { buildProfile, type ProfileOptions } from "./profile/build.ts";
export { type SuggestedCameras, suggestCamerasByName } from "./profile/camera-map.ts";
export {
	parseProfile,
	profileSchema,
	readProfile,
	type SiteProfile,
	writeProfile,
} from "./profile/schema.ts";
export {
	checkFree,
	checkOutside,
	type RepairedCopy,
	type RepairOptions,
	writeRepairedCopy,
} from "./repair.ts";
export { type DatasetReport, type DoctorReport, reportOf, reportSchema } from "./report.ts";
export { RULE_TABLE, renderRuleTable } from "./rules/table.ts";
