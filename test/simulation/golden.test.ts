import { expect, test } from 'vitest'
import { Faults, noFaults } from '../../simulation/faults.ts'
import { Network } from '../../simulation/network.ts'
import { World } from '../../simulation/world.ts'

/**
 * A scenario so small that only the simulator itself can change it: its hash must be the same on every machine and under every Node. When it changes, all old
 * seeds mean something else: say so in the commit.
 */
test('a tiny scenario has the same fingerprint under every Node', () => {
  const world = new World(42)
  const network = new Network(
    world,
    new Faults(42, { ...noFaults(), loss: 100_000, duplicate: 100_000, reorder: 300_000, latencyTail: 50_000 }),
  )
  let arrivals = 0
  network.join({
    node: 1,
    isUp: true,
    arrive: (_, { view, start, end }) => {
      arrivals++
      world.trace.addTime(world.nowMicros)
      world.trace.addBytes(view, start, end)
    },
  })
  for (let i = 0; i < 200; i++) {
    world.at(i * 100, () => network.send({ node: 1, actor: 'b' }, { node: 0, actor: 'a' }, { kind: 'listGroups', correlationId: i * 1.5 }))
  }
  world.runUntil(1_000_000)
  expect(arrivals).toBeGreaterThan(150)
  expect(world.trace.toString()).toMatchInlineSnapshot(`"5aefff29b2938bbb"`)
})
