// Public names of @zk0/doctor.
export { DoctorError, type DoctorErrorCode } from "./errors.ts";
export { compareExaminations, type Examination, type ExamineOptions, examineDataset } from "./examine.ts";
export { type Finding, findingSchema } from "./finding.ts";
export { RULE_TABLE, renderRuleTable } from "./rules/table.ts";
