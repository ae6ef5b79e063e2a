/** Timers fire by time and then in the order in which they were started, as in a sorted array. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TimerWheel } from '../../runtime/timer-wheel.ts'

describe('a timer wheel', () => {
  test('fires by time, and timers of one time in the order in which they were started', () => {
    const wheel = new TimerWheel<string>()
    wheel.start('late', 5000, 'late')
    wheel.start('first', 70, 'first')
    wheel.start('second', 70, 'second')
    wheel.start('early', 3, 'early')
    expect(fired(wheel, 69)).toEqual(['early'])
    wheel.start('third', 70, 'third')
    expect(wheel.nextAt).toBe(70)
    expect(fired(wheel, 1e9)).toEqual(['first', 'second', 'third', 'late'])
    expect(wheel.nextAt).toBe(Infinity)
  })

  test('replaces a timer of the same key, which goes to the end of its time', () => {
    const wheel = new TimerWheel<number>()
    wheel.start('a', 10, 1)
    wheel.start('b', 10, 2)
    wheel.start('a', 10, 3)
    expect(wheel.size).toBe(2)
    expect(fired(wheel, 10)).toEqual([2, 3])
  })

  test('knows the next time after the earliest timer was cancelled', () => {
    const wheel = new TimerWheel<number>(1_700_000_000_000)
    wheel.start('a', 1_700_000_000_010, 1)
    wheel.start('b', 1_700_000_900_000, 2)
    wheel.cancel('a')
    wheel.cancel('nobody')
    expect(wheel.nextAt).toBe(1_700_000_900_000)
  })

  test('does not fire what is cancelled before its turn, and fires what is started while firing one advance later', () => {
    const wheel = new TimerWheel<string>()
    wheel.start('a', 1, 'a')
    wheel.start('b', 2, 'b')
    const seen: string[] = []
    const fire = (payload: string): void => {
      seen.push(payload)
      wheel.cancel('b')
      if (seen.length < 3) wheel.start('again', 0, 'again')
    }
    expect(wheel.advance(5, fire)).toBe(1)
    expect(wheel.nextAt).toBe(5)
    wheel.advance(5, fire)
    wheel.advance(5, fire)
    expect(seen).toEqual(['a', 'again', 'again'])
  })

  test('rounds a fraction of a millisecond up, so that no timer fires early', () => {
    const wheel = new TimerWheel<number>()
    wheel.start('a', 10.25, 1)
    expect(fired(wheel, 10.75)).toEqual([])
    expect(fired(wheel, 11)).toEqual([1])
  })

  test('never turns back', () => {
    const wheel = new TimerWheel<number>(100)
    wheel.start('a', 150, 1)
    expect(fired(wheel, 50)).toEqual([])
    wheel.start('b', 60, 2)
    expect(wheel.nextAt).toBe(100)
    expect(fired(wheel, 200)).toEqual([2, 1])
  })

  test('refuses a time that is no number', () => {
    const wheel = new TimerWheel<number>()
    for (const time of [NaN, Infinity, 2 ** 48]) expect(() => wheel.start('a', time, 1)).toThrow(RangeError)
  })

  test('does what a sorted array does', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 41 }), fc.array(step, { maxLength: 200 }), (begin, steps) => {
        const wheel = new TimerWheel<number>(begin)
        const model = new SortedTimers(begin)
        steps.forEach((each, payload) => {
          if (each.kind === 'start') for (const it of [wheel, model]) it.start(each.key, model.now + each.delay, payload)
          if (each.kind === 'cancel') for (const it of [wheel, model]) it.cancel(each.key)
          if (each.kind === 'advance') {
            const to = model.now + each.by
            expect(fired(wheel, to)).toEqual(model.advance(to))
          }
          expect(wheel.nextAt).toBe(model.nextAt)
          expect(wheel.size).toBe(model.timers.length)
        })
      }),
      { numRuns: 500 },
    )
  })
})

const delay = fc.oneof(fc.integer({ min: -5, max: 130 }), fc.nat({ max: 10_000 }), fc.nat({ max: 2 ** 30 }))
const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l')
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('start' as const), key, delay }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), key }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), by: delay.map((by) => Math.max(by, 0)) }),
  },
)

/** The obvious implementation: an array, sorted by time; `sort` is stable. */
class SortedTimers {
  now: number
  timers: { key: string; at: number; payload: number }[] = []

  constructor(now: number) {
    this.now = now
  }

  get nextAt(): number {
    return this.timers[0]?.at ?? Infinity
  }

  start(name: string, at: number, payload: number): void {
    this.cancel(name)
    this.timers.push({ key: name, at: Math.max(at, this.now), payload })
    this.timers.sort((a, b) => a.at - b.at)
  }

  cancel(name: string): void {
    this.timers = this.timers.filter((timer) => timer.key !== name)
  }

  advance(now: number): number[] {
    this.now = now
    const due = this.timers.filter((timer) => timer.at <= now)
    this.timers = this.timers.filter((timer) => timer.at > now)
    return due.map((timer) => timer.payload)
  }
}

function fired<Payload>(wheel: TimerWheel<Payload>, now: number): Payload[] {
  const payloads: Payload[] = []
  const count = wheel.advance(now, (payload) => payloads.push(payload))
  expect(count).toBe(payloads.length)
  return payloads
}
