export { readFixtures, recordedVersionOutput, type Fixture, type RecordedSession } from './fixtures.ts';
export { ConformanceFailure } from './play.ts';
export { runSuite, type CaseResult } from './run.ts';
export { conformanceSuite } from './suite.ts';
export { rules, type ConformanceCase, type ConformanceOptions, type Rule } from './case.ts';
