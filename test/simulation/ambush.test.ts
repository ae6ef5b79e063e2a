// Ambushes: what strikes when an actor comes into a state in which it seldom is.
import { describe, expect, test } from 'vitest'
import { drawAmbushes } from '../../simulation/ambush-plan.ts'
import { drawPlan } from '../../simulation/plan.ts'
import { runSeed } from '../../simulation/run.ts'

const SEED = Array.from({ length: 100 }, (_, i) => i + 1).find((seed) => drawAmbushes(seed)?.manners.includes('again'))!

function ambushesOf(seed: number, quiet: boolean): string[] {
  const lines: string[] = []
  runSeed(seed, { seconds: 20, quiet }, (line) => void (line.includes(' ambush: ') && lines.push(line)))
  return lines
}

describe('ambushes', () => {
  test('are drawn for some seeds, each with manners of its own', () => {
    const drawn = Array.from({ length: 300 }, (_, seed) => drawAmbushes(seed)).filter((plan) => plan !== null)
    expect(drawn.length).toBeGreaterThan(30)
    expect(drawn.length).toBeLessThan(90)
    expect(new Set(drawn.map(({ manners }) => manners.join())).size).toBeGreaterThan(20)
  })

  test('strike where an actor comes into a state, more than once, and the same ones each time', () => {
    const lines = ambushesOf(SEED, false)
    expect(lines.length).toBeGreaterThan(5)
    expect(new Set(lines.map((line) => / is (\w+)/.exec(line)?.[1])).size).toBeGreaterThan(3)
    expect(ambushesOf(SEED, false)).toEqual(lines)
  })

  test('do not come in a quiet run', () => {
    expect(drawPlan(SEED, { quiet: true }).ambushes).toBe(null)
    expect(ambushesOf(SEED, true)).toEqual([])
  })
})
