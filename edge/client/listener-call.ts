/**
 * How what an application has given us is called. Listeners whose errors no promise reports: as EventTarget does it in Node. What one throws ends neither the others nor whoever tells them; it is thrown
 * again in a task of its own, where nobody catches it.
 */

/** Calls a listener; what it throws becomes an uncaught exception of the process. */
export function tellListener<Detail>(listener: (detail: Detail) => unknown, detail: Detail): void {
  try {
    listener(detail)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

/** Whether there is something to wait for. Not every promise is a Promise: a query of many a database begins only when it is awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as Partial<PromiseLike<unknown>>).then === 'function'
}
