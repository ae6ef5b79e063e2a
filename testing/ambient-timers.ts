/**
 * The timers of the language and of Node in virtual time: what they call, what they promise, and what clears them.
 */
import { AsyncResource } from 'node:async_hooks'
import { promisify } from 'node:util'
import type { VirtualWorld } from './ambient.ts'

/** A turn of the event loop takes so long: who looks again and again, turn by turn, sees time pass. */
const TURN_MILLIS = 0.01

/** A timer of the virtual world. */
class VirtualTimer {
  isCancelled = false
  readonly #start: (timer: VirtualTimer) => void
  readonly #number: (timer: VirtualTimer) => number

  constructor(start: (timer: VirtualTimer) => void, number: (timer: VirtualTimer) => number) {
    this.#start = start
    this.#number = number
    start(this)
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }

  close(): this {
    this.isCancelled = true
    return this
  }

  refresh(): this {
    this.#start(this)
    return this
  }

  [Symbol.toPrimitive](): number {
    return this.#number(this)
  }

  [Symbol.dispose](): void {
    this.isCancelled = true
  }
}

type Callback = (...args: unknown[]) => void

/** Timers that call back. */
export type CallbackTimers = Readonly<
  Record<'setTimeout' | 'setInterval', (callback: Callback, millis?: number, ...args: unknown[]) => VirtualTimer> &
    Record<'setImmediate', (callback: Callback, ...args: unknown[]) => VirtualTimer> &
    Record<'clearTimeout' | 'clearInterval' | 'clearImmediate', (timer: unknown) => void>
>

/** Those of a world. */
export function callbackTimers(world: VirtualWorld): CallbackTimers {
  /** By the numbers that somebody has asked for. */
  const numbered = new Map<string, VirtualTimer>()
  const numbers = new WeakMap<VirtualTimer, number>()
  const numberOf = (timer: VirtualTimer): number => {
    const number = numbers.get(timer) ?? numbered.size + 1
    numbers.set(timer, number)
    numbered.set(String(number), timer)
    return number
  }
  const clear = (timer: unknown): void => {
    const known = typeof timer === 'number' || typeof timer === 'string' ? numbered.get(String(timer)) : timer
    if (known instanceof VirtualTimer) known.isCancelled = true
  }
  const start = (callback: Callback, millis: number, isRepeated: boolean, args: readonly unknown[]): VirtualTimer => {
    if (typeof callback !== 'function') throw invalidCallback(callback)
    const bound = AsyncResource.bind(() => {
      try {
        callback(...args)
      } catch (error) {
        world.failed(error)
      }
    })
    let starts = 0
    const begin = (timer: VirtualTimer): void => {
      const mine = ++starts
      world.after(millis, () => {
        if (timer.isCancelled || mine !== starts) return
        if (isRepeated) begin(timer)
        bound()
      })
    }
    return new VirtualTimer(begin, numberOf)
  }
  return {
    setTimeout: (callback, millis, ...args) => start(callback, delayOf(millis), false, args),
    setInterval: (callback, millis, ...args) => start(callback, delayOf(millis), true, args),
    setImmediate: (callback, ...args) => start(callback, TURN_MILLIS, false, args),
    clearTimeout: clear,
    clearInterval: clear,
    clearImmediate: clear,
  }
}

/** As Node counts: what is no delay is one millisecond. */
function delayOf(millis: unknown): number {
  const delay = Number(millis)
  return delay >= 1 && delay <= 2 ** 31 - 1 ? delay : 1
}

/** What Node's timers throw when there is nothing to call. */
function invalidCallback(callback: unknown): TypeError {
  const message = `The "callback" argument must be of type function. Received ${callback === null ? 'null' : `type ${typeof callback}`}`
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' })
}

interface WaitOptions {
  readonly signal?: AbortSignal
}

/** Timers that promise: those of `node:timers/promises`, and what `promisify` makes of the others, which it is told here. */
export function promisedTimers({ setTimeout: later, setImmediate: soon, clearTimeout: clear }: CallbackTimers): Record<string, unknown> {
  const wait = <Value>(start: (done: () => void) => VirtualTimer, value: Value, { signal }: WaitOptions = {}): Promise<Value> =>
    new Promise((resolve, reject) => {
      const abort = (): void => {
        clear(timer)
        reject(new AbortError(signal?.reason))
      }
      const timer = start(() => {
        signal?.removeEventListener('abort', abort)
        resolve(value)
      })
      if (signal?.aborted === true) abort()
      else signal?.addEventListener('abort', abort, { once: true })
    })
  const sleep = <Value>(millis?: number, value?: Value, options?: WaitOptions): Promise<Value | undefined> =>
    wait((done) => later(done, millis), value, options)
  const turn = <Value>(value?: Value, options?: WaitOptions): Promise<Value | undefined> => wait((done) => soon(done), value, options)
  const every = async function* <Value>(millis?: number, value?: Value, options?: WaitOptions): AsyncGenerator<Value | undefined> {
    for (;;) yield await sleep(millis, value, options)
  }
  Object.assign(later, { [promisify.custom]: sleep })
  Object.assign(soon, { [promisify.custom]: turn })
  return { setTimeout: sleep, setImmediate: turn, setInterval: every, scheduler: { wait: sleep, yield: turn } }
}

/** What Node's promised timers reject with. */
class AbortError extends Error {
  override readonly name: string = 'AbortError'
  readonly code: string = 'ABORT_ERR'

  constructor(cause: unknown) {
    super('The operation was aborted', { cause })
  }
}

/** `AbortSignal.timeout`. */
export function timeoutSignal({ setTimeout: later }: CallbackTimers, millis: number): AbortSignal {
  const controller = new AbortController()
  later(() => controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')), millis)
  return controller.signal
}
