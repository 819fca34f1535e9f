/** Gates at which requests wait until a test lets them go. A gate that was opened stays open. */
export interface Gates {
  /** Called for a request that stands at the gate; resolves when the gate is open. */
  pass(name: string): Promise<void>;
  /** Opens a gate, also before anybody stands at it. */
  release(name: string): void;
  /** Resolves when the first request stands at the gate. */
  arrived(name: string): Promise<void>;
}

export function createGates(names: ReadonlySet<string>): Gates {
  const gates = new Map([...names].map((name) => [name, { open: Promise.withResolvers<void>(), reached: Promise.withResolvers<void>() }]));
  const gate = (name: string): { open: PromiseWithResolvers<void>; reached: PromiseWithResolvers<void> } => {
    const found = gates.get(name);
    if (!found) throw new Error(`no step holds at "${name}"; gates of this script: ${[...names].join(', ') || 'none'}`);
    return found;
  };
  return {
    pass(name) {
      const { open, reached } = gate(name);
      reached.resolve();
      return open.promise;
    },
    release: (name) => gate(name).open.resolve(),
    arrived: (name) => gate(name).reached.promise,
  };
}
