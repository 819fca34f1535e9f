/** A line of a source and where it stands. Bytes from the start of the source; `endsAt` is behind the line feed. */
export interface Line {
  readonly startsAt: number;
  readonly endsAt: number;
  /** Without its line ending; `undefined` if it was longer than the limit and only measured. */
  readonly text: string | undefined;
}
