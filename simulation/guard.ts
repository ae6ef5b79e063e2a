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
  const uuid = Object.getOwnPropertyDescriptor(crypto, 'randomUUID')
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
    if (uuid === undefined) Reflect.deleteProperty(crypto, 'randomUUID')
    else Object.defineProperty(crypto, 'randomUUID', uuid)
  }
}

function forbidden(name: string): () => never {
  return () => {
    throw new Error(`${name} in a simulation: take time and chance from the world`)
  }
}
