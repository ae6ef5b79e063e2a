/**
 * Time and chance for ordinary code under a simulation: while it is installed, timers, clocks and random numbers of the language and of Node are those of the
 * virtual world. What cannot be put in their place (files, sockets, other threads) is noticed (leaks.ts, outside.ts).
 */
import { createRequire } from 'node:module'
import type * as Crypto from 'node:crypto'
import type * as TimersPromises from 'node:timers/promises'
import type * as Timers from 'node:timers'
import type { MarkOptions, MeasureOptions } from 'node:perf_hooks'
import { virtualCrypto } from './ambient-crypto.ts'
import { callbackTimers, promisedTimers, timeoutSignal } from './ambient-timers.ts'
import type { Replacements } from './replacing.ts'

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
  /** Hears what a callback has thrown. */
  failed(error: unknown): void
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

/** Puts the virtual world in the place of the real one. */
export function installAmbient(world: VirtualWorld, replacements: Replacements): void {
  const callbacks = callbackTimers(world)
  for (const [name, value] of Object.entries(promisedTimers(callbacks))) replacements.value(timersPromises, name, value)
  for (const [name, value] of Object.entries(callbacks)) for (const target of [globalThis, timers]) replacements.value(target, name, value)
  replacements.value(AbortSignal, 'timeout', (millis: number) => timeoutSignal(callbacks, millis))
  replacements.value(globalThis, 'Date', virtualDate(world))
  replacements.value(process, 'uptime', () => world.uptime() / 1000)
  replacements.value(process, 'hrtime', virtualHrtime(world))
  replacements.value(process, 'cpuUsage', () => ({ user: Math.round(world.uptime() * 1000), system: 0 }))
  replacements.value(Math, 'random', () => world.random() / 0x1_0000_0000)
  for (const [name, value] of Object.entries(virtualPerformance(world))) replacements.value(performance, name, value)
  replacements.getter(Event.prototype, 'timeStamp', timeStamps(world))
  for (const [name, value] of Object.entries(virtualCrypto(world, callbacks.setImmediate))) {
    if (name in crypto) replacements.value(crypto, name, value)
    if (name in globalThis.crypto) replacements.value(globalThis.crypto, name, value)
  }
}

function virtualPerformance(world: VirtualWorld): Record<string, unknown> {
  const mark = performance.mark.bind(performance)
  const measure = performance.measure.bind(performance)
  const measureUntilNow = (name: string, from?: string | MeasureOptions, to?: string): unknown => {
    if (to !== undefined) return measure(name, from as string, to)
    const options = typeof from === 'object' && from !== null ? from : { start: from ?? 0 }
    const isOpen = options.end === undefined && options.duration === undefined
    return measure(name, isOpen ? { ...options, start: options.start ?? 0, end: world.uptime() } : options)
  }
  return {
    now: () => world.uptime(),
    timeOrigin: world.now() - world.uptime(),
    mark: (name: string, options: MarkOptions = {}) => mark(name, { startTime: world.uptime(), ...options }),
    measure: measureUntilNow,
  }
}

/** When an event happened: nobody knows before somebody asks, and then it stays so. */
function timeStamps(world: VirtualWorld): (this: unknown) => number {
  const times = new WeakMap<object, number>()
  return function (this: unknown): number {
    const time = times.get(this as object) ?? world.uptime()
    times.set(this as object, time)
    return time
  }
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
