import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MEMORY_MILLIS, SWARM_COUNT, SWARM_WINDOW_MILLIS, observe } from '../../examples/emergency/detection.ts'
import type { Alert, Watch } from '../../examples/emergency/detection.ts'
import type { Report } from '../../examples/emergency/earthquakes.ts'

const MINUTE = 60_000

describe('a severe earthquake', () => {
  test('raises an alert with its place, magnitude and time', () => {
    const [alert] = observe(new Map(), report(0, { magnitude: 6.4, place: '22km NNE of Hualian, Taiwan' }))
    expect(alert).toMatchObject({ kind: 'severe', magnitude: 6.4, place: '22km NNE of Hualian, Taiwan', time: 0, count: 1 })
  })

  test('is an earthquake: no explosion is one', () => {
    expect(observe(new Map(), report(0, { magnitude: 6.4, type: 'explosion' }))).toEqual([])
  })
})

describe('a swarm', () => {
  test('is reported when it begins, with the largest, and not again while it lasts', () => {
    const alerts = observeAll(
      [0, 10, 20, 30, 40, 50].map((minute) => report(minute * MINUTE, { magnitude: minute === 10 ? 4 : 3, place: `p${minute}` })),
    )
    expect(alerts.map(({ kind, count, magnitude, place, time }) => [kind, count, magnitude, place, time])).toEqual([
      ['swarm', 4, 4, 'p10', 30 * MINUTE],
    ])
  })

  test('is reported again after it was over', () => {
    const times = [0, 1, 2, 3, 500, 501, 502, 503].map((minute) => report(minute * MINUTE))
    expect(observeAll(times).map(({ time }) => time / MINUTE)).toEqual([3, 503])
  })

  test('needs them within the window, in one region, and large enough', () => {
    const spread = [0, 1, 2, 3].map((step) => report(step * (SWARM_WINDOW_MILLIS / (SWARM_COUNT - 1))))
    expect(observeAll(spread)).toEqual([])
    expect(observeAll([0, 1, 2, 3].map((minute) => report(minute * MINUTE, { region: `r${minute}` })))).toEqual([])
    expect(observeAll([0, 1, 2, 3].map((minute) => report(minute * MINUTE, { magnitude: 1.9 })))).toEqual([])
  })
})

test('whoever takes over anywhere, and rereads two windows, raises the same alerts', () => {
  const step = fc.record({
    gap: fc.integer({ min: 0, max: 90 }),
    region: fc.constantFrom('a', 'b'),
    magnitude: fc.constantFrom(1, 2, 3, 6),
  })
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), fc.nat(), (steps, cut) => {
      let time = 0
      const reports = steps.map(({ gap, region, magnitude }, index) =>
        report((time += gap * MINUTE), { region, magnitude, id: `${index}`, index }),
      )
      const at = cut % reports.length
      const taken = reports[at]!
      const watch: Watch = new Map()
      for (const before of reports.slice(0, at)) if (before.time >= taken.time - MEMORY_MILLIS) observe(watch, before)
      const afterHandOver = reports.slice(at).flatMap((each) => observe(watch, each))
      expect(afterHandOver).toEqual(observeAll(reports).filter(({ id }) => reports.slice(at).some((each) => id.endsWith(`/${each.id}`))))
    }),
  )
})

function observeAll(reports: readonly Report[]): Alert[] {
  const watch: Watch = new Map()
  return reports.flatMap((each) => observe(watch, each))
}

function report(time: number, changes: Partial<Report> = {}): Report {
  return { id: `${time}`, time, magnitude: 3, place: 'somewhere', region: 'Alaska', type: 'earthquake', run: 1, index: 0, ...changes }
}
