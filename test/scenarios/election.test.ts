// The golden transcript of an election: three coordinators, a node joins, the coordinator that leads dies, another takes over, and a client finds it.

import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Address } from '../../protocol/address.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { perform } from '../actors/disk.ts'
import { coordinatorOn, diskWith, tell } from '../actors/coordinator-support.ts'
import type { CoordinatorStage } from '../actors/coordinator-support.ts'
import { describeMessage } from '../actors/describe.ts'

const CLIENT = -1

/** A node with a broker and no coordinator. */
const BROKER = 3

/** Three coordinators whose messages and disks take no time; timers fire when the test says so. */
class Quorum {
  readonly lines: string[] = []
  readonly #members: Map<number, CoordinatorStage> = new Map()
  readonly #shown: Map<number, string> = new Map()
  readonly #queue: { readonly to: number; readonly from: number; readonly message: Message }[] = []

  constructor() {
    for (const node of [0, 1, 2]) this.#members.set(node, coordinatorOn(diskWith([]), { voters: [0, 1, 2] }, node))
  }

  say(text: string): void {
    if (this.lines.length > 0) this.lines.push('')
    this.lines.push(`# ${text}`)
  }

  start(): void {
    for (const node of this.#members.keys()) this.send(node, { kind: 'started' }, node)
  }

  /** A process is gone. */
  kill(node: number): void {
    this.#members.delete(node)
  }

  /** Time passes on one node. */
  wait(node: number, millis: number): void {
    const member = this.#members.get(node)
    if (member === undefined) return
    member.stage.uptime += millis
    this.send(node, { kind: 'timerFired', timer: 'quorum' }, node)
  }

  send(to: number, message: Message, from = CLIENT): void {
    this.#queue.push({ to, from, message })
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#deliver(next)
  }

  #deliver({ to, from, message }: { readonly to: number; readonly from: number; readonly message: Message }): void {
    if (from !== to) this.lines.push(`${`${nameOf(from)} -> ${nameOf(to)}`.padEnd(20)} ${describeMessage(message)}`)
    const member = this.#members.get(to)
    if (member === undefined) return
    const actor: Address = { node: from, actor: from === CLIENT ? 'client' : from === BROKER ? 'broker' : 'coordinator' }
    const effects = tell(member, message, actor)
    for (const effect of effects) if (effect.kind === 'send') this.#queue.push({ to: effect.to.node, from: to, message: effect.message })
    this.#show(to, member)
    for (let next = member.pending.shift(); next !== undefined; next = member.pending.shift())
      this.#queue.push({ to, from: to, message: perform(member.disk, next) })
  }

  #show(node: number, { stage }: CoordinatorStage): void {
    const { quorum, isActive, image } = stage.state.seat
    if (quorum === null) return
    const nodes = image.brokers.size === 0 ? '' : `, nodes ${[...image.brokers.values()].map((one) => `${one.node}${one.fenced ? ' (fenced)' : ''}`).join(' ')}`
    const topics = image.topics.size === 0 ? '' : `, topics ${[...image.topics.keys()].join(' ')}`
    const line = `${isActive ? 'active ' : ''}${quorum.role} of epoch ${quorum.epoch}, committed ${quorum.highWatermark}${nodes}${topics}`
    if (this.#shown.get(node) === line) return
    this.#shown.set(node, line)
    this.lines.push(`${' '.repeat(20)} ${nameOf(node)} is now: ${line}`)
  }
}

function nameOf(node: number): string {
  return node === CLIENT ? 'client' : `node ${node}`
}

test('an election, a write, and another election when the leader dies', () => {
  const quorum = new Quorum()
  const topics = (name: string): Message => ({
    kind: 'createTopics',
    correlationId: 1,
    topics: [{ name, numPartitions: 1, replicationFactor: 1, configs: {} }],
    validateOnly: false,
  })
  quorum.say('three coordinators start with empty disks; the first founder asks whether it would be elected, and then is')
  quorum.start()
  quorum.wait(0, 1)
  quorum.say('node 3, which has no vote, joins: it registers, and is answered when a majority has synced that')
  const registration = { node: BROKER, incarnation: 1, rack: null, previousBrokerEpoch: -1, isUnsyncedSafe: false }
  quorum.send(0, { kind: 'registerBroker', correlationId: 1, ...registration }, BROKER)
  quorum.say('its heartbeat brings it the metadata; when it says that it has it, it may lead partitions')
  quorum.send(0, { kind: 'brokerHeartbeat', correlationId: 2, node: BROKER, brokerEpoch: 3, metadataOffset: 0, wantShutDown: 'no' }, BROKER)
  quorum.send(0, { kind: 'brokerHeartbeat', correlationId: 3, node: BROKER, brokerEpoch: 3, metadataOffset: 3, wantShutDown: 'no' }, BROKER)
  quorum.say('a client creates a topic: node 3 hears of it, and the client is answered, when a majority has synced it')
  quorum.send(0, topics('orders'))
  quorum.say('the next heartbeat tells the others that it is committed')
  quorum.wait(0, 40)
  quorum.say('node 0 dies, and the others hear of it: node 1 need not wait for its time-out')
  quorum.kill(0)
  quorum.send(2, { kind: 'nodeDown', node: 0 })
  quorum.send(1, { kind: 'nodeDown', node: 0 })
  quorum.wait(1, 50)
  quorum.say('a client that asks node 2 is told whom to ask')
  quorum.send(2, topics('clicks'))
  quorum.send(1, topics('clicks'))
  const path = new URL('election.txt', import.meta.url)
  const text = `${quorum.lines.join('\n')}\n`
  if (process.env['ODRADEK_GOLDEN'] === 'write') writeFileSync(path, text)
  expect(text).toBe(readFileSync(path, 'utf8'))
})
