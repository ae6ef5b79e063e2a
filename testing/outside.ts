/**
 * The ways out of a simulation that Node does not show as something that is waited for, or not each time (a connection that is kept): called by the code under
 * simulation, they throw.
 */
import { createRequire } from 'node:module'
import type * as Crypto from 'node:crypto'
import type { LeakWatch } from './leaks.ts'
import type { Replacements } from './replacing.ts'

const require = createRequire(import.meta.url)
const crypto = require('node:crypto') as typeof Crypto

/** Where it is called, its name, and what it leads to. */
type WayOut = readonly [target: object, name: string, what: string]

/** Known to the language's types only where there is a page. */
const webAssembly = Reflect.get(globalThis, 'WebAssembly') as object

const WAYS_OUT: readonly WayOut[] = [
  [globalThis, 'fetch', 'a server'],
  [globalThis, 'WebSocket', 'a server'],
  [globalThis, 'EventSource', 'a server'],
  [Atomics, 'waitAsync', 'another thread'],
  ...['compile', 'instantiate', 'compileStreaming', 'instantiateStreaming'].map((name): WayOut => [
    webAssembly,
    name,
    'a thread of the pool',
  ]),
  ...['generateKeyPairSync', 'generatePrimeSync'].map((name): WayOut => [crypto, name, 'chance']),
]

/** What was there when this was loaded: what somebody else has put there since is a stand-in, and no way out. */
const REAL: ReadonlyMap<WayOut, unknown> = new Map(WAYS_OUT.map((way) => [way, Reflect.get(way[0], way[1]) as unknown]))

/** Closes them to the code under simulation; others find them open. */
export function closeWaysOut(leaks: LeakWatch, replacements: Replacements): void {
  for (const [way, real] of REAL) {
    const [target, name, what] = way
    if (typeof real === 'function' && Reflect.get(target, name) === real) replacements.value(target, name, guarded(real, name, what, leaks))
  }
  const stdin = Object.getOwnPropertyDescriptor(process, 'stdin')
  if (stdin?.get === undefined) return
  replacements.getter(process, 'stdin', () => {
    if (leaks.isInside()) throw leaks.leave('the standard input', 'stdin')
    return stdin.get?.call(process) as unknown
  })
}

function guarded(real: Function, name: string, what: string, leaks: LeakWatch): unknown {
  return new Proxy(real, {
    apply: (target, self, args) => {
      if (leaks.isInside()) throw leaks.leave(what, name)
      return Reflect.apply(target, self, args) as unknown
    },
    construct: (target, args, newTarget) => {
      if (leaks.isInside()) throw leaks.leave(what, name)
      return Reflect.construct(target, args, newTarget) as object
    },
  })
}
