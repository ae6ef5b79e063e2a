// Beyond the atlas: disks are harmed so that nobody can keep all promises, and everything must work again in the end.
import { describe, expect, test } from 'vitest'
import { drawPlan } from '../../simulation/plan.ts'
import { runSeed } from '../../simulation/run.ts'

describe('beyond the atlas', { timeout: 120_000 }, () => {
  test('records are lost, and everything works again', () => {
    const results = [4, 5, 40].map((seed) => runSeed(seed, { beyond: true }))
    expect(results.map(({ violation }) => violation)).toEqual([null, null, null])
    expect(results.some(({ forgiven }) => forgiven > 0)).toBe(true)
    expect(results.every(({ faults }) => faults.bitRot + faults.droppedWrite + faults.misdirectedWrite > 0)).toBe(true)
  })

  test('a seed is the same run every time', () => {
    expect(runSeed(3, { beyond: true, seconds: 20 }).hash).toBe(runSeed(3, { beyond: true, seconds: 20 }).hash)
  })

  test('other seeds are what they were, and forgive nothing', () => {
    expect(drawPlan(3).isBeyond).toBe(false)
    expect(runSeed(3, { seconds: 10 }).forgiven).toBe(0)
  })
})
