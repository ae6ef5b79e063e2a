/**
 * How listeners are called whose errors no promise reports: as EventTarget does it in Node. What one throws ends neither the others nor whoever tells them; it is thrown
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
