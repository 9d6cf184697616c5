/**
 * Calls of one history one after the other, in the order in which they were made.
 *
 * Room: edge.
 *
 * Writers of one process would otherwise conflict with each other, and the later call could win.
 */
export const inOrder = () => {
  const last = new Map<string, Promise<unknown>>();
  return <A>(name: string, run: () => Promise<A>): Promise<A> => {
    const before = last.get(name);
    const running = before === undefined ? run() : before.then(run, run);
    last.set(name, running);
    const forget = () => {
      if (last.get(name) === running) last.delete(name);
    };
    running.then(forget, forget);
    return running;
  };
};
