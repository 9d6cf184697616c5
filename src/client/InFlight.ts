/**
 * Keeps the process alive: unreturned calls, watch loops, workers. Nothing else of ours does, so that a
 * program that forgets `close` ends by itself.
 *
 * Room: client.
 *
 * Sockets and timers of the client are let go of (`HoldsProcessNats`), because none of them knows whether a caller waits
 * for it. One timer that does nothing stands for all that is waited for.
 */

const longestMillis = 2 ** 31 - 1;

let count = 0;
let holder: NodeJS.Timeout | undefined;

/** The process stays until what is returned was called. */
export const hold = (): (() => void) => {
  if (++count === 1) {
    holder ??= setInterval(() => undefined, longestMillis);
    holder.ref();
  }
  let isHeld = true;
  return () => {
    if (!isHeld) return;
    isHeld = false;
    if (--count === 0) holder?.unref();
  };
};

/** The process stays until this has settled. */
export const held = <A>(promise: Promise<A>): Promise<A> => {
  const letGo = hold();
  promise.then(letGo, letGo);
  return promise;
};
