/**
 * Keeps the real world out of a simulation: while a run is under way, the ambient sources of time and chance throw instead of answering.
 */

type Ambient = 'setTimeout' | 'setInterval' | 'setImmediate' | 'queueMicrotask'

const AMBIENT: readonly Ambient[] = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask']

/** Calls a function in a world without clocks, timers and unseeded randomness. */
export function withoutAmbientTime<Result>(run: () => Result): Result {
  const global = globalThis as unknown as Record<string, unknown>
  const saved = AMBIENT.map((name) => [name, global[name]] as const)
  const { now } = Date
  const { random } = Math
  const { randomUUID } = crypto
  for (const name of AMBIENT) global[name] = forbidden(name)
  Date.now = forbidden('Date.now')
  Math['random'] = forbidden('Math.random')
  crypto.randomUUID = forbidden('randomUUID')
  try {
    return run()
  } finally {
    for (const [name, value] of saved) global[name] = value
    Date.now = now
    Math['random'] = random
    crypto.randomUUID = randomUUID
  }
}

function forbidden(name: string): () => never {
  return () => {
    throw new Error(`${name} in a simulation: take time and chance from the world`)
  }
}
