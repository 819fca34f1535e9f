export { cumulativeFake as default } from './plugin.ts';
