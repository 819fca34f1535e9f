/** `0.4 s`, `4 min 10 s`, `1 h 5 min`, `2 d 3 h`. */
export function duration(ms: number): string {
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return two(minutes, 'min', seconds % 60, 's');
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? two(hours, 'h', minutes % 60, 'min') : two(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function two(large: number, unit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smallUnit}`;
}

/** An age in its largest unit alone: `12 s`, `5 min`, `3 h`, `2 d`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 48 * 3_600 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** A time of the local clock: `at 18:40`; of another day `on 2026-11-22 at 18:40`. */
export function moment(at: Date, now: number): string {
  const two = (part: number): string => String(part).padStart(2, '0');
  const time = `at ${two(at.getHours())}:${two(at.getMinutes())}`;
  const isToday = at.toDateString() === new Date(now).toDateString();
  return isToday ? time : `on ${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

/** `902`, `18.2k`, `1.2M`. */
export function count(value: number): string {
  if (value < 1_000) return String(value);
  return value < 999_950 ? `${(value / 1e3).toFixed(1)}k` : `${(value / 1e6).toFixed(1)}M`;
}

/** `2,014` */
export function exact(value: number): string {
  return value.toLocaleString('en-US');
}

/** List price from millionths of a US dollar: `$0.0482`, `$12.35`. Never rounds something to nothing. */
export function cost(micros: number): string {
  if (micros === 0) return '$0';
  if (micros < 50) return '<$0.0001';
  const dollars = micros / 1e6;
  return `$${dollars.toFixed(dollars < 1 ? 4 : 2)}`;
}

/** A share as `9 %`. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** A share as one block, `▁` to `█`. */
export function block(share: number): string {
  const blocks = '▁▂▃▄▅▆▇█';
  return blocks[Math.min(blocks.length - 1, Math.max(0, Math.floor(share * blocks.length)))] ?? '';
}

/** `1 file`, `3 files`. */
export function plural(amount: number, one: string, many = `${one}s`): string {
  return `${exact(amount)} ${amount === 1 ? one : many}`;
}

/** `2 attempts · 31.0k tokens · $0.048`: what is known, in order. */
export function facts(...parts: readonly (string | undefined | false)[]): string {
  return parts.filter((part) => part !== undefined && part !== false && part !== '').join(' · ');
}
