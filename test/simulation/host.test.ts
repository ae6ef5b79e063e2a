// A host of a simulation: what was said on it, and is not heard yet.

import { expect, test } from 'vitest'
import { Clock } from '../../simulation/clock.ts'
import { Faults, noFaults } from '../../simulation/faults.ts'
import { Host } from '../../simulation/host.ts'
import { Network } from '../../simulation/network.ts'
import { World } from '../../simulation/world.ts'
import type { Message } from '../../protocol/messages/message.ts'

const CLIENT = { node: -1, actor: 'client' }
const LOST: Message = { kind: 'revoking', partitions: [{ topic: 'orders', partition: 0 }], lost: true }
const STRAINED_MICROS = 1_000_000

test('what is said where there is too much to do is unheard until it is heard', () => {
  const { world, host, heard } = newHost()
  host.strain(STRAINED_MICROS)
  host.send(CLIENT, CLIENT, LOST)
  expect(host.unheard).toEqual([LOST])
  world.runUntil(STRAINED_MICROS)
  expect(heard).toEqual([LOST])
  expect(host.unheard).toEqual([])
})

test('what is said on a host that dies is heard by nobody, and not unheard any more', () => {
  const { world, host, heard } = newHost()
  host.strain(STRAINED_MICROS)
  host.send(CLIENT, CLIENT, LOST)
  host.die()
  expect(host.unheard).toEqual([])
  world.runUntil(STRAINED_MICROS)
  expect(heard).toEqual([])
})

function newHost(): { readonly world: World; readonly host: Host; readonly heard: Message[] } {
  const world = new World(1)
  const faults = new Faults(1, noFaults())
  const network = new Network(world, faults)
  const host = new Host(CLIENT.node, { world, network, clock: new Clock(world), disk: null, faults, watcher: null })
  const heard: Message[] = []
  host.boot()
  host.attach(CLIENT.actor, { receive: (message) => void heard.push(message) })
  return { world, host, heard }
}
