export { readFixtures, type Fixture } from './fixtures.ts';
export { ConformanceFailure } from './play.ts';
export { conformanceSuite, type ConformanceCase, type ConformanceOptions, type Rule } from './suite.ts';
