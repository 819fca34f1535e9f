export { readFixtures, type Fixture } from './fixtures.ts';
export { ConformanceFailure } from './play.ts';
export { conformanceSuite } from './suite.ts';
export type { ConformanceCase, ConformanceOptions, Rule } from './case.ts';
