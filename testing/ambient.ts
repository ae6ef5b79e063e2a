/**
 * Time and chance for ordinary code under a simulation: while it is installed, timers, clocks and random numbers of the language and of Node are those of the
 * virtual world. What it cannot put in their place (files, sockets, other threads) it notices (leaks.ts).
 */
import { AsyncResource } from 'node:async_hooks'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import type * as Crypto from 'node:crypto'
import type * as TimersPromises from 'node:timers/promises'
import type * as Timers from 'node:timers'

/** The virtual world, as ambient code sees it. */
export interface VirtualWorld {
  /** Wall clock, milliseconds. */
  now(): number
  /** Monotonic milliseconds. */
  uptime(): number
  /** Runs something later, unless whoever asked for it is gone by then. */
  after(millis: number, run: () => void): void
  /** An unsigned 32-bit number. */
  random(): number
}

/** A turn of the real event loop, whatever is installed: everything that can go on without the world has done so. */
export function realTurn(): Promise<void> {
  return new Promise((resolve) => REAL_SET_IMMEDIATE(resolve))
}

const REAL_SET_IMMEDIATE = setImmediate
const RealDate = Date
const require = createRequire(import.meta.url)
const timers = require('node:timers') as typeof Timers
const timersPromises = require('node:timers/promises') as typeof TimersPromises
const crypto = require('node:crypto') as typeof Crypto

/** A timer of the virtual world. */
class VirtualTimer {
  isCancelled = false
  readonly #start: (timer: VirtualTimer) => void

  constructor(start: (timer: VirtualTimer) => void) {
    this.#start = start
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

  [Symbol.dispose](): void {
    this.isCancelled = true
  }
}

/** Puts the virtual world in the place of the real one; returns what takes it away again. */
export function installAmbient(world: VirtualWorld): () => void {
  const undo: (() => void)[] = []
  const replace = (target: object, name: string, value: unknown): void => {
    const before = Object.getOwnPropertyDescriptor(target, name)
    if (before?.configurable === false) return
    Object.defineProperty(target, name, { configurable: true, writable: true, enumerable: before?.enumerable ?? true, value })
    undo.push(() => {
      if (before === undefined) Reflect.deleteProperty(target, name)
      else Object.defineProperty(target, name, before)
    })
  }
  const callbacks = callbackTimers(world)
  for (const [name, value] of Object.entries(callbacks)) for (const target of [globalThis, timers]) replace(target, name, value)
  for (const [name, value] of Object.entries(promisedTimers(callbacks))) replace(timersPromises, name, value)
  replace(AbortSignal, 'timeout', (millis: number) => timeoutSignal(callbacks, millis))
  replace(globalThis, 'Date', virtualDate(world))
  replace(performance, 'now', () => world.uptime())
  replace(process, 'uptime', () => world.uptime() / 1000)
  replace(process, 'hrtime', virtualHrtime(world))
  replace(Math, 'random', () => world.random() / 0x1_0000_0000)
  for (const [name, value] of Object.entries(virtualCrypto(world))) {
    replace(crypto, name, value)
    if (name in globalThis.crypto) replace(globalThis.crypto, name, value)
  }
  syncBuiltinESMExports()
  return () => {
    for (const one of undo.toReversed()) one()
    syncBuiltinESMExports()
  }
}

type Callback = (...args: unknown[]) => void

type CallbackTimers = Readonly<
  Record<'setTimeout' | 'setInterval', (callback: Callback, millis?: number, ...args: unknown[]) => VirtualTimer> &
    Record<'setImmediate', (callback: Callback, ...args: unknown[]) => VirtualTimer> &
    Record<'clearTimeout' | 'clearInterval' | 'clearImmediate', (timer: unknown) => void>
>

function callbackTimers(world: VirtualWorld): CallbackTimers {
  const clear = (timer: unknown): void => {
    if (timer instanceof VirtualTimer) timer.isCancelled = true
  }
  const start = (callback: Callback, millis: number, isRepeated: boolean, args: readonly unknown[]): VirtualTimer => {
    const bound = AsyncResource.bind(() => callback(...args))
    let starts = 0
    const begin = (timer: VirtualTimer): void => {
      const mine = ++starts
      world.after(millis, () => {
        if (timer.isCancelled || mine !== starts) return
        if (isRepeated) begin(timer)
        bound()
      })
    }
    return new VirtualTimer(begin)
  }
  return {
    setTimeout: (callback, millis, ...args) => start(callback, delayOf(millis), false, args),
    setInterval: (callback, millis, ...args) => start(callback, delayOf(millis), true, args),
    setImmediate: (callback, ...args) => start(callback, 0, false, args),
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

interface WaitOptions {
  readonly signal?: AbortSignal
}

function promisedTimers({ setTimeout: later, setImmediate: soon, clearTimeout: clear }: CallbackTimers): Record<string, unknown> {
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

function timeoutSignal({ setTimeout: later }: CallbackTimers, millis: number): AbortSignal {
  const controller = new AbortController()
  later(() => controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')), millis)
  return controller.signal
}

function virtualDate(world: VirtualWorld): unknown {
  return new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [world.now()] : args, newTarget === proxied() ? target : newTarget) as object,
    apply: () => new RealDate(world.now()).toString(),
    get: (target, name, receiver) => (name === 'now' ? () => world.now() : (Reflect.get(target, name, receiver) as unknown)),
  })
  function proxied(): unknown {
    return globalThis.Date
  }
}

function virtualHrtime(world: VirtualWorld): unknown {
  const nanos = (): bigint => BigInt(Math.round(world.uptime() * 1_000_000))
  const hrtime = (before?: readonly [number, number]): [number, number] => {
    const [seconds, rest] = [Math.floor(world.uptime() / 1000), Math.round((world.uptime() % 1000) * 1_000_000)]
    if (before === undefined) return [seconds, rest]
    const isBorrowing = rest < before[1]
    return [seconds - before[0] - (isBorrowing ? 1 : 0), rest - before[1] + (isBorrowing ? 1_000_000_000 : 0)]
  }
  return Object.assign(hrtime, { bigint: nanos })
}

function virtualCrypto(world: VirtualWorld): Record<string, unknown> {
  const fill = <Bytes extends ArrayBufferView>(view: Bytes): Bytes => {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
    for (let i = 0; i < bytes.length; i++) bytes[i] = world.random() >>> 24
    return view
  }
  const randomUUID = (): string => {
    const bytes = fill(new Uint8Array(16))
    bytes[6] = (bytes[6]! & 0x0f) | 0x40
    bytes[8] = (bytes[8]! & 0x3f) | 0x80
    const hex = Buffer.from(bytes).toString('hex')
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
  }
  const between = (min: number, max: number): number =>
    min + Math.floor(((world.random() * 0x20_0000 + (world.random() >>> 11)) / 2 ** 53) * (max - min))
  return {
    randomUUID,
    getRandomValues: fill,
    randomBytes: (size: number) => fill(Buffer.alloc(size)),
    randomFillSync: fill,
    randomInt: (min: number, max?: number) => (max === undefined ? between(0, min) : between(min, max)),
  }
}
