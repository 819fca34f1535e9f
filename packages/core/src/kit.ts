/** What the commands for harness plugins need: the plugins as the daemon loads them, and its own account of what they say. */
export { countsOf, figuresOf } from './attempt/account.ts';
export { contextOf } from './attempt/context.ts';
export { costOf, type PricedLedger } from './attempt/costs.ts';
export { ledgerOf } from './attempt/ledger.ts';
export { isSessionId, readSessionFiles } from './attempt/session-files.ts';
export { readRows } from './attempt/session-rows.ts';
export { configuredPlugin, importPlugin, locatePlugin } from './load-plugins.ts';
export { optionsSchema } from './options-schema.ts';
export { createPrices } from './pricing/price-list.ts';
export type { Plugin } from './plugins/catalogue.ts';
export { childEnvironment } from './supervision/environment.ts';
