// The page's rules, without a page: where times are, what is filtered, found and hit.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { durationText, stepOf, ticksOf } from '../../../simulation/timeline/page/axis.ts'
import { binsOf } from '../../../simulation/timeline/page/bins.ts'
import { describe as describeThing } from '../../../simulation/timeline/page/describe.ts'
import { FIRST_FILTER, maskOf } from '../../../simulation/timeline/page/filter.ts'
import { distanceTo, pick } from '../../../simulation/timeline/page/pick.ts'
import type { Scene } from '../../../simulation/timeline/page/pick.ts'
import { rowsOf } from '../../../simulation/timeline/page/rows.ts'
import { prepare } from '../../../simulation/timeline/page/run.ts'
import { search } from '../../../simulation/timeline/page/search.ts'
import { atBroken, firstState, withFilter, withNextHit, withRoom, withSearch } from '../../../simulation/timeline/page/state.ts'
import { around, boundsOf, panned, timeOf, whole, xOf, zoomed } from '../../../simulation/timeline/page/view.ts'
import type { View } from '../../../simulation/timeline/page/view.ts'
import { Recorder } from '../../../simulation/timeline/recorder.ts'
import type { Timeline } from '../../../simulation/timeline/model.ts'
import '../../partitions/seeded.ts'

/** Two nodes and a client; a produce with its answer, a fetch that is lost, a timer; a cut; a transaction; broken at 900 ms. */
function smallTimeline(): Timeline {
  const world = { nowMicros: 0 }
  const recorder = new Recorder(world)
  const at = (millis: number, what: () => void): void => {
    world.nowMicros = millis * 1000
    what()
  }
  const [leader, follower, producer] = [
    { node: 0, actor: 'replica/orders-0' },
    { node: 1, actor: 'replica/orders-0' },
    { node: -1, actor: 'producer' },
  ]
  at(0, () => {
    recorder.booted(0, null)
    recorder.booted(1, null)
    recorder.booted(-1, 'producer 0')
  })
  at(100, () => recorder.told(leader, leader, { kind: 'timerFired', timer: 'tick' }))
  at(150, () => recorder.struck('symmetricCut', { untilMicros: 350_000, hosts: [0, 1], text: '0 from 1' }))
  at(200, () => recorder.transacted({ transactionalId: 'shop', name: 'transaction 1 of shop', host: -1 }, 'open'))
  const asked = { value: -1 }
  at(300, () => (asked.value = recorder.sent(producer, leader, { kind: 'initProducerId', correlationId: 7 }, 'sent')))
  at(301, () => recorder.arrived(asked.value))
  at(302, () => recorder.missed(recorder.sent(leader, follower, { kind: 'listGroups', correlationId: 8 }, 'sent'), 'lost'))
  at(400, () => recorder.transacted({ transactionalId: 'shop', name: 'transaction 1 of shop', host: -1 }, 'committed'))
  at(500, () => recorder.sent(follower, leader, { kind: 'listGroups', correlationId: 9 }, 'sent'))
  at(900, () => recorder.told(follower, follower, { kind: 'synced', token: 1, file: 'f', sizeBytes: 3, error: null }))
  const head = { seed: 1, commit: 'c', mutant: null, keep: null, what: 'a test', command: 'none', hash: 'h' }
  return recorder.timeline({ head, healedAt: 1_000_000, violation: { code: 'LOST', message: 'orders-0: gone', atMicros: 900_000 } })
}

const run = prepare(smallTimeline())
const bounds = boundsOf(run.timeline.end)
const screen: View = { begin: 0, end: 1_000_000, left: 100, width: 1000 }
const mask = maskOf(run, FIRST_FILTER)
const rows = rowsOf(run.timeline, null)
const scene: Scene = { run, mask, view: screen, rows, partition: -1 }

describe('a view', () => {
  const views = fc.record({ begin: fc.integer({ min: 0, max: 800_000 }), span: fc.integer({ min: 50, max: 100_000 }) })

  test('has what is under the pointer there after zooming, unless that would leave the run', () => {
    fc.assert(
      fc.property(
        views,
        fc.integer({ min: 100, max: 1100 }),
        fc.double({ min: 0.1, max: 1, noNaN: true }),
        ({ begin, span }, x, factor) => {
          const view = { ...screen, begin, end: begin + span }
          const next = zoomed(view, bounds, x, factor)
          expect(next.end - next.begin).toBeCloseTo(Math.max(span * factor, 40), 3)
          expect(timeOf(next, x)).toBeCloseTo(timeOf(view, x), 3)
        },
      ),
    )
  })

  test('never leaves the run', () => {
    fc.assert(
      fc.property(
        views,
        fc.integer({ min: -1e6, max: 1e6 }),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        ({ begin, span }, pixels, factor) => {
          const view = { ...screen, begin, end: begin + span }
          for (const next of [
            panned(view, bounds, pixels),
            zoomed(view, bounds, 300, factor),
            around(view, bounds, { time: pixels, span }),
          ]) {
            expect(next.begin).toBeGreaterThanOrEqual(bounds.begin - 1e-6)
            expect(next.end).toBeLessThanOrEqual(bounds.end + 1e-6)
          }
        },
      ),
    )
    expect(whole(screen, bounds)).toMatchObject(bounds)
  })

  test('has ticks at round times with room between them', () => {
    const ticks = ticksOf(screen)
    expect(ticks.map(({ text }) => text)).toEqual([
      '0.0 s',
      '0.1 s',
      '0.2 s',
      '0.3 s',
      '0.4 s',
      '0.5 s',
      '0.6 s',
      '0.7 s',
      '0.8 s',
      '0.9 s',
      '1.0 s',
    ])
    expect(ticksOf({ ...screen, begin: 500_000, end: 500_100 })[1]?.text).toBe('0.50001 s')
    expect([1, 3, 70, 101].map(stepOf)).toEqual([1, 5, 100, 200])
    expect([42, 1500, 90_000, 2_400_000].map(durationText)).toEqual(['42 µs', '1.50 ms', '90 ms', '2.40 s'])
  })
})

describe('a filter', () => {
  const seen = (change: Partial<typeof FIRST_FILTER>): number[] => {
    const { flights, steps } = maskOf(run, { ...FIRST_FILTER, hidden: new Set(), ...change })
    return [flights, steps].map((bytes) => bytes.reduce((sum, one) => sum + one, 0))
  }

  test('hides families, others than an actor or a lane, and what is about another partition', () => {
    expect(seen({})).toEqual([3, 2])
    expect(seen({ hidden: new Set(['groups']) })).toEqual([1, 2])
    expect(seen({ hidden: new Set(['disk', 'timers']) })).toEqual([3, 0])
    expect(seen({ actor: 'Producer' })).toEqual([1, 0])
    expect(seen({ actor: 'node 1' })).toEqual([2, 1])
    expect(seen({ partition: 'orders-0' })).toEqual([3, 2])
    expect(seen({ partition: 'orders-1' })).toEqual([0, 0])
  })

  test('is first without timers', () => {
    expect(mask.steps.reduce((sum, one) => sum + one, 0)).toBe(1)
  })
})

describe('a search', () => {
  test('finds every word in kinds, bodies, actors, hosts and faults, in the order of time', () => {
    const found = (text: string): string[] => search(run, mask, text).map(({ thing: { of, index } }) => `${of} ${index}`)
    expect(found('listgroups')).toEqual(['flight 1', 'flight 2'])
    expect(found('listGroups "correlationId":9')).toEqual(['flight 2'])
    expect(found('symmetric')).toEqual(['fault 0'])
    expect(found('producer')).toEqual(['flight 0'])
    expect(found('node')).toEqual(['flight 0', 'flight 1', 'flight 2', 'step 1'])
    expect(found('nothing like it')).toEqual([])
    expect(found('  ')).toEqual([])
  })

  test('shows the first hit from the view on, goes on and back, and begins anew behind the last', () => {
    const first = withSearch({ ...firstState(run, screen), view: { ...screen, begin: 400_000 } }, 'listGroups')
    expect(first).toMatchObject({ hit: 1, chosen: { of: 'flight', index: 2 } })
    const second = withNextHit(first, 1)
    expect(second).toMatchObject({ hit: 0, chosen: { of: 'flight', index: 1 } })
    expect(second.view.begin).toBeLessThan(302_000)
    expect(second.view.end).toBeGreaterThan(302_000)
    expect(second.view.end - second.view.begin).toBeLessThan(10_000)
    expect(withNextHit(second, -1).hit).toBe(1)
    expect(withFilter(second, { hidden: new Set(['groups']) })).toMatchObject({ hits: [], hit: -1 })
  })
})

describe('what is first shown', () => {
  test('is around what is broken, with what came before', () => {
    const { view, chosen } = firstState(run, screen)
    expect(chosen).toEqual({ of: 'violation', index: 0 })
    expect([view.begin < 900_000, view.end > 900_000, view.begin > bounds.begin - 1]).toEqual([true, true, true])
  })

  test('is the whole run if nothing is', () => {
    const sound = prepare({ ...run.timeline, violation: null })
    const state = firstState(sound, screen)
    expect(state.view).toMatchObject(bounds)
    expect(atBroken(state)).toBe(state)
  })

  test('fills the room that there is, but not more than is needed', () => {
    const state = firstState(run, screen)
    const low = withRoom(state, 1000, 100)
    const high = withRoom(state, 1000, 400)
    expect(low.rows.height).toBeGreaterThan(100)
    expect(high.rows.height).toBeGreaterThan(low.rows.height)
    expect(high.rows.height).toBeLessThanOrEqual(400)
    expect(withRoom({ ...low, scroll: 9999 }, 1000, 100).scroll).toBe(low.rows.height - 100)
  })
})

describe('what is under the pointer', () => {
  const rowOf = (label: string): number => {
    const row = rows.all.find((one) => one.label === label)!
    return row.top + row.height / 2
  }

  test('is a message near its line', () => {
    const [from, to] = [rows.laneMiddle[2]!, rows.laneMiddle[0]!]
    expect(pick(scene, { x: xOf(screen, 300_500), y: (from + to) / 2 })).toEqual({ of: 'flight', index: 0 })
  })

  test('is a step, a fault, a transaction, a life, or what is broken', () => {
    expect(pick(scene, { x: xOf(screen, 900_000), y: rowOf('node 1') })).toEqual({ of: 'step', index: 1 })
    expect(pick(scene, { x: xOf(screen, 250_000), y: rowOf('network faults') })).toEqual({ of: 'fault', index: 0 })
    expect(pick(scene, { x: xOf(screen, 300_000), y: rowOf('shop') - 4 })).toEqual({ of: 'transaction', index: 0 })
    expect(pick(scene, { x: xOf(screen, 120_000), y: rowOf('node 0') + 18 })).toEqual({ of: 'life', index: 0, owner: 0 })
    expect(pick(scene, { x: xOf(screen, 900_000), y: rows.height + 50 })).toEqual({ of: 'violation', index: 0 })
    expect(pick(scene, { x: xOf(screen, 700_000), y: rows.height + 50 })).toBeNull()
  })

  test('is no message that is filtered away', () => {
    const hidden = { ...scene, mask: maskOf(run, { ...FIRST_FILTER, hidden: new Set(['produce']) }) }
    expect(pick(hidden, { x: xOf(screen, 300_500), y: rows.laneMiddle[1]! })?.of).not.toBe('flight')
  })

  test('is as far from a line as its nearest point', () => {
    expect(distanceTo({ x: 0, y: 0, toX: 10, toY: 0 }, { x: 5, y: 3 })).toBe(3)
    expect(distanceTo({ x: 0, y: 0, toX: 10, toY: 0 }, { x: 14, y: 3 })).toBe(5)
    expect(distanceTo({ x: 0, y: 0, toX: 0, toY: 0 }, { x: 3, y: 4 })).toBe(5)
  })
})

test('messages are counted at both ends, those that nobody heard at one', () => {
  const bins = binsOf(run, mask, screen)
  expect(bins.counts.reduce((sum, one) => sum + one, 0)).toBe(4)
  expect(bins.missed.reduce((sum, one) => sum + one, 0)).toBe(1)
})

test('a fault of the network is described with the names of its hosts', () => {
  const { title, facts } = describeThing(run, { of: 'fault', index: 0 })
  expect([title, ...facts.map((fact) => fact.join(' '))]).toEqual([
    'fault: symmetricCut',
    'at 0.150000 s',
    'for 200 ms',
    'what node 0 from node 1',
  ])
})

test('a message is described with both ends and all that it says', () => {
  const { title, facts, body } = describeThing(run, { of: 'flight', index: 0 })
  expect(title).toBe('initProducerId')
  expect(Object.fromEntries(facts)).toMatchObject({
    from: 'producer@producer 0',
    to: 'replica/orders-0@node 0',
    'sent at': '0.300000 s',
    arrived: '0.301000 s, after 1 ms',
  })
  expect(JSON.parse(body ?? '')).toEqual({ kind: 'initProducerId', correlationId: 7 })
  expect(Object.fromEntries(describeThing(run, { of: 'flight', index: 1 }).facts)).toHaveProperty('lost')
  expect(Object.fromEntries(describeThing(run, { of: 'flight', index: 2 }).facts)).toMatchObject({ 'under way': 'when the run ended' })
})
