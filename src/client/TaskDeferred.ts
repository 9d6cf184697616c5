/**
 * A deferral: thrown by the `run` of a task that is to be claimed again later.
 *
 * Room: client.
 */

/** The task is claimed again after `deferMillis`, up to a year, and this was no attempt. */
export class TaskDeferred extends Error {
  readonly deferMillis: number;

  constructor(deferMillis: number, reason = "not now") {
    super(reason);
    this.name = "TaskDeferred";
    this.deferMillis = deferMillis;
  }
}
