/** Milliseconds of the clock that no correction of the time moves and that stands still while the machine sleeps. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
