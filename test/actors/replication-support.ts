// Several replicas of one partition, each with a disk of its own, and the messages between them, which the test may cut off or hold back.

import type { Effect } from '../../actors/effect.ts'
import { actor } from '../../actors/replica.ts'
import type { ReplicaState } from '../../partitions/replica-state.ts'
import type { Address } from '../../protocol/address.ts'
import type { LeaderAndIsr } from '../../protocol/messages/broker.ts'
import type { Message, MessageOf } from '../../protocol/messages/message.ts'
import type { Acks } from '../../protocol/messages/produce.ts'
import { walkBatches } from '../../protocol/record-batch.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import type { TopicConfig } from '../../protocol/topic-config.ts'
import { batchAt, configOf } from '../partitions/support.ts'
import { perform } from './disk.ts'
import type { Disk } from './disk.ts'
import { CLIENT, stageOf } from './stage.ts'
import type { Stage } from './stage.ts'

/** A node with its replica; the replica is made anew when the node restarts. */
export interface Node {
  readonly node: number
  readonly disk: Disk
  stage: Stage<ReplicaState>
  /** Timers that were started, by name, with the uptime at which they fire. */
  timers: Map<string, number>
  isUp: boolean
}

interface Envelope {
  readonly to: number
  readonly from: Address
  readonly message: Message
}

/** Those of its topic, and how long a replica may lag. */
type PartitionSettings = Partial<TopicConfig> & { readonly replicaLagMillis?: number }

/** What clients are answered. */
const CLIENT_ANSWERS = [
  'produceResponse',
  'fetchResponse',
  'listOffsetsResponse',
  'describePartitionResponse',
  'deleteRecordsResponse',
] as const

function isClientAnswer(message: Message): message is MessageOf<(typeof CLIENT_ANSWERS)[number]> {
  return CLIENT_ANSWERS.some((kind) => kind === message.kind)
}

/** A leader's answer to a fetch: there is nothing new. */
export function answerTo(correlationId: number): MessageOf<'fetchResponse'> {
  const ends = {
    highWatermark: 1,
    logStartOffset: 0,
    epochStartOffset: 0,
    syncedByAll: -1,
    divergingEpoch: -1,
    divergingEndOffset: 0,
    lastStableOffset: 0,
    abortedTransactions: [],
  }
  return { kind: 'fetchResponse', correlationId, errorCode: 0, errorMessage: null, ...ends, range: null, records: null }
}

/** A partition with its replicas on nodes 0, 1, … */
export class ReplicatedPartition {
  readonly nodes: Node[]
  /** What clients were answered, in order. */
  readonly answers: MessageOf<(typeof CLIENT_ANSWERS)[number]>[] = []
  /** What leaders asked of the coordinator. */
  readonly proposals: MessageOf<'alterPartition'>[] = []
  readonly failed: { readonly node: number; readonly leaderEpoch: number }[] = []
  role: LeaderAndIsr
  /** Links that carry nothing, 'from>to'. */
  readonly cut: Set<string> = new Set()
  /** Is told what is said, before it is heard. */
  onMessage: ((from: Address, to: Address, message: Message) => void) | null = null
  /** Is told that a node has heard something. */
  onHeard: (() => void) | null = null
  readonly #settings: PartitionSettings
  #queue: Envelope[] = []
  #correlationId = 0
  uptime = 0

  /** `assigned`: of the nodes, the first so many have a replica. */
  constructor(count: number, settings: PartitionSettings = {}, minInsync = 1, assigned: number = count) {
    this.#settings = settings
    const nodes = Array.from({ length: count }, (_, node) => node)
    const replicas = nodes.slice(0, assigned)
    this.role = {
      kind: 'leaderAndIsr',
      topicId: 5,
      leader: 0,
      leaderEpoch: 0,
      partitionEpoch: 0,
      replicas,
      isr: replicas,
      elr: [],
      minInsync,
      brokerEpoch: 1,
      throttleBytesPerSecond: 0,
    }
    this.nodes = nodes.map((node) => ({
      node,
      disk: { logs: new Map(), failing: new Map() },
      stage: this.#newStage(node),
      timers: new Map(),
      isUp: false,
    }))
    for (const node of replicas) this.start(node)
  }

  #newStage(node: number): Stage<ReplicaState> {
    const { replicaLagMillis = 1000, ...settings } = this.#settings
    const config = { topic: 't', topicId: 5, partition: 0, topicConfig: configOf(settings), replicaLagMillis }
    return stageOf(actor, { node, actor: 'replica/t-0' }, config)
  }

  /** A node begins a life with the files that it has; `random` is what chance gives it. */
  start(node: number, random = 0): void {
    const one = this.at(node)
    one.stage = this.#newStage(node)
    one.stage.random = random
    one.timers = new Map()
    one.isUp = true
    this.#take(one, one.stage.deliver({ kind: 'started' }, one.stage.self))
    this.#tell(one)
    this.settle()
  }

  stop(node: number): void {
    this.at(node).isUp = false
  }

  at(node: number): Node {
    return this.nodes[node]!
  }

  state(node: number): ReplicaState {
    return this.at(node).stage.state
  }

  /** The coordinator has decided; whoever is up hears of it, but for `deaf`. */
  decide(change: Partial<LeaderAndIsr>, deaf: readonly number[] = []): void {
    this.role = { ...this.role, ...change, partitionEpoch: this.role.partitionEpoch + 1 }
    for (const one of this.nodes) if (one.isUp && !deaf.includes(one.node)) this.#tell(one)
    this.settle()
  }

  /** Another leader, in the next epoch. */
  elect(leader: number, isr: readonly number[] = this.role.isr, deaf: readonly number[] = []): void {
    this.decide({ leader, leaderEpoch: this.role.leaderEpoch + 1, isr }, deaf)
  }

  /** Cuts a node off from all others, or joins it to them again. */
  isolate(node: number, isCut = true): void {
    for (const { node: other } of this.nodes) {
      if (other === node) continue
      for (const link of [`${node}>${other}`, `${other}>${node}`]) {
        if (isCut) this.cut.add(link)
        else this.cut.delete(link)
      }
    }
  }

  /** A client sends a batch of `count` records; returns the correlation id. Nothing is delivered before `settle`. */
  produce(leader: number, acks: Acks = 'quorum', count = 1, value?: number): number {
    const correlationId = ++this.#correlationId
    const records = batchAt(0, count, value === undefined ? {} : { timestamp: value })
    const { leaderEpoch } = this.state(leader).role
    this.#queue.push({
      to: leader,
      from: CLIENT,
      message: { kind: 'produce', correlationId, topicId: 5, leaderEpoch, acks, transaction: null, isFirst: false, records },
    })
    this.settle()
    return correlationId
  }

  /** A client sends something to a node. */
  deliver(node: number, message: Message): void {
    this.#queue.push({ to: node, from: CLIENT, message })
    this.settle()
  }

  /** The answer to a produce: its base offset, an error code, or undefined while there is none. */
  outcome(correlationId: number): { readonly errorCode: number; readonly baseOffset: number } | undefined {
    const found = this.answers.findLast((one) => one.kind === 'produceResponse' && one.correlationId === correlationId)
    return found?.kind === 'produceResponse' ? { errorCode: found.errorCode, baseOffset: found.baseOffset } : undefined
  }

  /** Time passes; timers fire in order. */
  pass(millis: number): void {
    const end = this.uptime + millis
    for (;;) {
      let next: { readonly one: Node; readonly timer: string; readonly at: number } | null = null
      for (const one of this.nodes) {
        if (!one.isUp) continue
        for (const [timer, at] of one.timers) if (at <= end && (next === null || at < next.at)) next = { one, timer, at }
      }
      if (next === null) break
      this.uptime = Math.max(this.uptime, next.at)
      next.one.timers.delete(next.timer)
      next.one.stage.uptime = this.uptime
      this.#take(next.one, next.one.stage.deliver({ kind: 'timerFired', timer: next.timer }, next.one.stage.self))
      this.settle()
    }
    this.uptime = end
    for (const one of this.nodes) one.stage.uptime = end
  }

  /** Delivers until nothing is under way. */
  settle(): void {
    for (let envelope = this.#queue.shift(); envelope !== undefined; envelope = this.#queue.shift()) {
      const { to, from, message } = envelope
      const one = this.at(to)
      if (!one.isUp || this.cut.has(`${from.node}>${to}`)) continue
      one.stage.uptime = this.uptime
      this.onMessage?.(from, one.stage.self, message)
      this.#take(one, one.stage.deliver(message, from))
      this.onHeard?.()
    }
  }

  /** The offsets and epochs of the batches in a node's files, as `base/epoch@timestamp`. */
  log(node: number): string[] {
    const files = this.at(node).disk.logs.get(this.state(node).logName) ?? new Map<string, Uint8Array>()
    const names = [...files.keys()].filter((name) => name.endsWith('.log')).toSorted()
    return names.flatMap((name) => {
      const bytes = files.get(name)!
      return walkBatches(bytes).map(({ at }) => {
        const [first] = [...readRecords(bytes, at)]
        const view = new DataView(bytes.buffer, bytes.byteOffset + at)
        return `${Number(view.getBigInt64(0))}/${view.getInt32(12)}@${first?.timestamp}`
      })
    })
  }

  #tell(one: Node): void {
    this.#take(one, one.stage.deliver({ ...this.role, brokerEpoch: 1 }, { node: one.node, actor: 'broker' }))
  }

  #take(one: Node, effects: readonly Effect[]): void {
    const queue = [...effects]
    for (let effect = queue.shift(); effect !== undefined; effect = queue.shift()) {
      if ('token' in effect) queue.push(...one.stage.deliver(perform(one.disk, effect), one.stage.self))
      else if (effect.kind === 'startTimer') one.timers.set(effect.timer, this.uptime + effect.afterMillis)
      else if (effect.kind === 'cancelTimer') one.timers.delete(effect.timer)
      else if (effect.kind === 'send') this.#send(one, effect.to, effect.message)
    }
  }

  #send(one: Node, to: Address, message: Message): void {
    if (to.node < 0 || to.actor === 'broker') this.onMessage?.(one.stage.self, to, message)
    if (to.node < 0) {
      if (isClientAnswer(message)) this.answers.push(message)
    } else if (to.actor === 'broker') {
      if (message.kind === 'alterPartition') this.proposals.push(message)
      if (message.kind === 'replicaFailed') this.failed.push({ node: one.node, leaderEpoch: message.leaderEpoch })
    } else this.#queue.push({ to: to.node, from: one.stage.self, message: structuredClone(message) })
  }
}
