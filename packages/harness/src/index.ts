export * from './contract.ts';
export * from './defined.ts';
export * from './events.ts';
export * from './fit.ts';
export * from './json.ts';
export * from './lines.ts';
export * from './tokens.ts';
export * from './usage.ts';
