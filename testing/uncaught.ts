/**
 * What nobody catches while a simulation runs (an exception of a microtask or a listener, a rejection that nobody waits for) ends that run, not the process.
 */

const EVENTS = ['uncaughtException', 'unhandledRejection'] as const

/** Hands everything that nobody catches to `take`, and to nobody else; returns what ends that. */
export function catchUncaught(take: (error: unknown) => void): () => void {
  const events: NodeJS.EventEmitter = process
  const before = EVENTS.map((event) => [event, events.rawListeners(event)] as const)
  for (const event of EVENTS) {
    events.removeAllListeners(event)
    events.on(event, take)
  }
  return () => {
    for (const [event, listeners] of before) {
      events.off(event, take)
      for (const listener of listeners) events.on(event, listener as () => void)
    }
  }
}
