// Public names of @zk0/doctor.
export { DoctorError, type DoctorErrorCode } from "./errors.ts";
export { compareExaminations, type Examination, type ExamineOptions, examineDataset } from "./examine.ts";
export { type Finding, findingSchema } from "./finding.ts";
export { buildProfile, type ProfileOptions } from "./profile/build.ts";
export {
	parseProfile,
	profileSchema,
	readProfile,
	type SiteProfile,
	writeProfile,
} from "./profile/schema.ts";
export { RULE_TABLE, renderRuleTable } from "./rules/table.ts";
