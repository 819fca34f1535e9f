/** What `singletree doctor` looks at: apart, because no other command needs it. */
export { examineDatabase } from './doctor/database.ts';
export { errorFrom, type Finding } from './doctor/finding.ts';
export { examineHarnesses, harnessFinding } from './doctor/harnesses.ts';
export { examineListeners } from './doctor/listeners.ts';
export { examineProcesses } from './doctor/processes.ts';
export { examineStateFolder } from './doctor/state-folder.ts';
export { examineSupervision } from './doctor/supervision.ts';
export { examineTelemetry, probeTelemetry } from './doctor/telemetry.ts';
export { examineTool } from './doctor/tool.ts';
export type { ProbeReport } from './telemetry-probe.ts';
export { childEnvironment } from './supervision/environment.ts';
export { lockHolder } from './state-folder/lock.ts';
