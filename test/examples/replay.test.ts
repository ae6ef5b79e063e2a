import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { observe } from '../../examples/emergency/detection.ts'
import { WEEK_MILLIS, parseEarthquakes, regionOf, reportsOf } from '../../examples/emergency/earthquakes.ts'
import { dueTimes, planReplay } from '../../examples/emergency/replay.ts'
import { percentile } from '../../examples/emergency/summary.ts'

const file = new URL('../../node_modules/vega-datasets/data/earthquakes.json', import.meta.url)
const earthquakes = parseEarthquakes(JSON.parse(readFileSync(file, 'utf8')))

describe('the catalogue', () => {
  test('is a week of events, oldest first, each with a region', () => {
    expect(earthquakes).toHaveLength(1707)
    expect(earthquakes.every(({ region }) => region.length > 0)).toBe(true)
    const times = earthquakes.map(({ time }) => time)
    expect(times).toEqual(times.toSorted((one, other) => one - other))
    expect(times.at(-1)! - times[0]!).toBeLessThan(WEEK_MILLIS)
  })

  test('holds severe earthquakes and swarms, among them the one of Hualian', () => {
    const watch = new Map()
    const alerts = reportsOf(earthquakes, 1).flatMap((report) => observe(watch, report))
    expect(alerts.filter(({ kind }) => kind === 'severe')).toHaveLength(9)
    expect(alerts.filter(({ kind, region }) => kind === 'swarm' && region === 'Taiwan')).toHaveLength(2)
  })

  test.each([
    ['4km W of Castaic, CA', 'California'],
    ['22km NNE of Hualian, Taiwan', 'Taiwan'],
    ['Banda Sea', 'Banda Sea'],
  ])('%s lies in %s', (place, region) => expect(regionOf(place)).toBe(region))

  test.each([null, {}, { features: [{}] }, { features: [{ id: 'a', properties: { time: 1, mag: null, place: 'p', type: 't' } }] }])(
    '%j is refused',
    (feed) => {
      expect(() => parseEarthquakes(feed)).toThrow(TypeError)
    },
  )
})

describe('a plan', () => {
  const all = new Set(earthquakes.map((_, index) => index))

  test('begins with the first run, and goes on with the next week when one is complete', () => {
    expect(planReplay(earthquakes, { run: 0, present: new Set() })).toMatchObject({ kind: 'first', run: 1 })
    const next = planReplay(earthquakes, { run: 3, present: all })
    expect(next).toMatchObject({ kind: 'next', run: 4 })
    expect(next.reports[0]!.time - earthquakes[0]!.time).toBe(3 * WEEK_MILLIS)
  })

  test('completes an interrupted run with exactly what is missing', () => {
    const present = new Set([...all].filter((index) => index < 800 && index !== 790))
    const plan = planReplay(earthquakes, { run: 2, present })
    expect(plan).toMatchObject({ kind: 'rest', run: 2 })
    expect(plan.reports.map(({ index }) => index)).toEqual([...all].filter((index) => !present.has(index)))
  })

  test('keeps event time rising from run to run', () => {
    expect(reportsOf(earthquakes, 2)[0]!.time).toBeGreaterThan(reportsOf(earthquakes, 1).at(-1)!.time)
  })

  test('spreads a week over the seconds that it may take', () => {
    const due = dueTimes(reportsOf(earthquakes, 5), WEEK_MILLIS, 12)
    expect(due[0]).toBe(0)
    expect(due.at(-1)).toBeGreaterThan(11_900)
    expect(due.at(-1)).toBeLessThanOrEqual(12_000)
    expect(dueTimes([], WEEK_MILLIS, 12)).toEqual([])
  })
})

test('a percentile is the nearest rank', () => {
  expect(percentile([], 0.5)).toBeNull()
  expect(percentile([3, 1, 2], 0.5)).toBe(2)
  expect(percentile([3, 1, 2], 0.99)).toBe(3)
})
