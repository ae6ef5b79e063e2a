// The network of a simulation: when it is clear.

import { expect, test } from 'vitest'
import { Faults, noFaults } from '../../simulation/faults.ts'
import { Network } from '../../simulation/network.ts'
import { World } from '../../simulation/world.ts'

const HELD_MICROS = 5_000_000

test.each([0, 1_000_000])('is clear when all has arrived that a link has held up, overtaken or not: %i per million may be', (reorder) => {
  const world = new World(1)
  const network = new Network(world, new Faults(1, { ...noFaults(), reorder }))
  const arrivals: number[] = []
  network.join({ node: 1, isUp: true, arrive: () => void arrivals.push(world.nowMicros) })
  network.clogLink(0, 1, HELD_MICROS)
  for (const correlationId of [1, 2, 3])
    network.send({ node: 1, actor: 'b' }, { node: 0, actor: 'a' }, { kind: 'listGroups', correlationId })
  const clearAt = network.clearAtMicros
  world.runUntil(2 * HELD_MICROS)
  expect(arrivals.length).toBe(3)
  expect(Math.min(...arrivals)).toBeGreaterThanOrEqual(HELD_MICROS)
  expect(clearAt).toBe(Math.max(...arrivals))
})
