// The quorum in small under a bad network and crashes, many seeds: see simulation/quorum/.

import { describe, expect, test } from 'vitest'
import { runQuorum } from '../../simulation/quorum/run.ts'

describe('the metadata quorum', () => {
  test.each([1, 501, 1001])('keeps its promises whatever is lost, late, cut and killed: 500 seeds from %i', (first) => {
    const results = Array.from({ length: 500 }, (_, i) => runQuorum(first + i))
    expect(results.filter(({ violation }) => violation !== null)).toEqual([])
    expect(results.reduce((sum, { acknowledged }) => sum + acknowledged, 0)).toBeGreaterThan(500 * 20)
  })

  test('is the same run from the same seed', () => {
    expect(runQuorum(7)).toEqual(runQuorum(7))
    expect(runQuorum(7).hash).not.toBe(runQuorum(8).hash)
  })
})
