// The laws that come with the harness: each holds for what is right, and names what is wrong.

import { describe, expect, test } from 'vitest'
import { atomicTransactions, eventually, exactlyOnce, noDuplicates, noLoss, ordered } from '../../testing/index.ts'

describe('a law', () => {
  test('noLoss', () => {
    noLoss([1, 2, 3], [3, 2, 1, 1, 9])
    expect(() => noLoss([1, 2, 3, 4], [2, 4])).toThrow('2 of those that were sent were never seen: 1, 3')
    expect(() => noLoss([1, 2, 3, 4, 5, 6, 7], [])).toThrow('1, 2, 3, 4, 5, …')
  })

  test('noDuplicates', () => {
    noDuplicates([1, 2, 3])
    expect(() => noDuplicates([1, 2, 1, 3, 3, 3])).toThrow('2 were seen more than once: 1, 3')
  })

  test('exactlyOnce', () => {
    exactlyOnce(['a', 'b'], ['b', 'a'])
    expect(() => exactlyOnce(['a', 'b'], ['b'])).toThrow('never seen: a')
    expect(() => exactlyOnce(['a', 'b'], ['b', 'a', 'b'])).toThrow('more than once: b')
    expect(() => exactlyOnce(['a'], ['a', 'x'])).toThrow('nobody sent: x')
  })

  test('ordered', () => {
    ordered([1, 2, 3, 4], [1, 3, 4])
    // What is seen again comes late.
    ordered([1, 2, 3], [1, 2, 1, 2, 3])
    expect(() => ordered([1, 2, 3], [1, 3, 2])).toThrow('2 was sent before 3, and seen after it')
    const byParity = (n: number): number => n % 2
    ordered([1, 2, 3, 4], [2, 1, 4, 3], byParity)
    expect(() => ordered([1, 2, 3, 4], [2, 3, 4, 1], byParity)).toThrow('1 was sent before 3')
    for (const seen of [
      [1, 9, 2],
      [9, 1],
      [1, 2, 9],
    ])
      expect(() => ordered([1, 2], seen)).toThrow('1 were seen that nobody sent: 9')
    // What was sent again counts from when it was sent first.
    ordered([1, 2, 1], [1, 2, 1])
  })

  test('atomicTransactions', () => {
    atomicTransactions(
      [
        [1, 2],
        [3, 4],
      ],
      [1, 2],
    )
    expect(() =>
      atomicTransactions(
        [
          [1, 2],
          [3, 4],
        ],
        [1, 2, 4],
      ),
    ).toThrow('a transaction is torn: 3 was not seen, but the rest of 3, 4 was')
  })

  test('eventually', async () => {
    let uptime = 0
    const clock = {
      get uptime(): number {
        return uptime
      },
      sleep: (millis: number) => {
        uptime += millis
        return Promise.resolve()
      },
    }
    await eventually('it is late', () => uptime >= 500, { clock })
    await expect(eventually('it is never', () => false, { clock, withinMillis: 1000 })).rejects.toThrow('it is never: not within 1000 ms')
  })
})
