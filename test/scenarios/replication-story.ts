// A partition on several nodes, told as a story: the replicas are the real ones, and what the coordinator decides is what its rules say. Written down is what
// clients and replicas say to each other, what leaders propose, what is decided, and how logs change. Heartbeats and timers are left out.

import { changeIsr, fenceBroker, preferLeaders, registerBroker, unfenceBroker, withdrawReplica } from '../../coordinator/brokers.ts'
import { ruleReassign } from '../../coordinator/administration.ts'
import { applyRecord } from '../../coordinator/metadata.ts'
import type { MetadataImage, MetadataRecord } from '../../coordinator/metadata.ts'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
import { minInsyncOf } from '../../coordinator/partition-image.ts'
import type { Address } from '../../protocol/address.ts'
import { errorOf, NONE } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { FIELD, walkBatches, baseOffset, lastOffset } from '../../protocol/record-batch.ts'
import type { Acks } from '../../protocol/messages/produce.ts'
import { fetchRequest } from '../actors/replica-support.ts'
import { ReplicatedPartition } from '../actors/replication-support.ts'
import { imageOf, nodes, partitionOf, topicWith } from '../coordinator/support.ts'

const TOPIC_ID = 5

/** The coordinator looks at proposals so often. */
const LOOK_MILLIS = 20

/** One partition, its nodes, and the coordinator's image of it. */
export class ReplicationStory {
  readonly lines: string[] = []
  readonly partition: ReplicatedPartition
  readonly #image: MetadataImage
  readonly #shown: Map<number, string> = new Map()
  readonly #dead: Set<number> = new Set()
  /** What was last said on each link: followers ask again and again when nothing is new. */
  readonly #said: Map<string, string> = new Map()

  constructor(nodeCount: number, replicaCount: number) {
    const all = Array.from({ length: nodeCount }, (_, node) => node)
    const replicas = all.slice(0, replicaCount)
    this.#image = imageOf(...nodes(all), topicWith('t', TOPIC_ID, [partitionOf(replicas)], { minInsyncReplicas: -1 }))
    this.partition = new ReplicatedPartition(nodeCount, {}, this.#minInsync(), replicaCount)
    this.partition.onMessage = (from, to, message) => this.#onMessage(from, to, message)
    this.partition.onHeard = () => this.#showAll()
    for (const node of replicas) this.#show(node)
    this.#showDecision()
  }

  get image(): PartitionImage {
    return this.#image.topics.get('t')!.partitions[0]!
  }

  say(text: string): void {
    this.lines.push('', `# ${text}`)
  }

  produce(leader: number, acks: Acks = 'quorum'): void {
    this.partition.produce(leader, acks)
    this.#propose()
  }

  /** Time passes: replicas wake up. */
  pass(millis: number): void {
    for (let left = millis; left > 0; left -= LOOK_MILLIS) {
      this.partition.pass(Math.min(left, LOOK_MILLIS))
      this.#propose()
    }
  }

  /** A process dies, and the coordinator hears of it. */
  kill(node: number): void {
    this.#dead.add(node)
    this.partition.stop(node)
    this.#decide(fenceBroker(this.#image, node))
  }

  /** It comes back with its directory, and is heard. */
  restart(node: number): void {
    this.#dead.delete(node)
    const previousBrokerEpoch = this.#image.brokers.get(node)?.brokerEpoch ?? -1
    this.#decide(registerBroker(this.#image, { node, incarnation: 1, rack: null, previousBrokerEpoch, isUnsyncedSafe: true }))
    for (const record of unfenceBroker(this.#image, node)) applyRecord(this.#image, record)
    this.partition.start(node)
    this.#propose()
  }

  /** A bit of the last batch of a node's log flips on its disk. */
  rot(node: number): void {
    const bytes = this.partition.at(node).disk.logs.get(this.partition.state(node).logName)!.get('00000000000000000000.log')!
    bytes[walkBatches(bytes).at(-1)!.at + FIELD.crc]! ^= 4
  }

  /** A consumer asks. */
  consume(node: number, fetchOffset: number): void {
    const { leaderEpoch } = this.partition.state(node).role
    this.partition.deliver(node, { ...fetchRequest(1, fetchOffset), leaderEpoch })
    this.#withdraw()
  }

  isolate(node: number, isCut = true): void {
    this.partition.isolate(node, isCut)
  }

  reassign(replicas: readonly number[]): void {
    const partitions = [{ topic: 't', partition: 0, replicas }]
    this.#decide(ruleReassign(this.#image, { kind: 'alterPartitionReassignments', correlationId: 1, partitions }).records)
  }

  preferLeaders(): void {
    this.#decide(preferLeaders(this.#image, 1))
  }

  #minInsync(): number {
    return minInsyncOf(-1, this.image.replicas.length - this.image.adding.length)
  }

  /** The coordinator judges what leaders have proposed meanwhile. */
  #propose(): void {
    for (let proposal = this.partition.proposals.shift(); proposal !== undefined; proposal = this.partition.proposals.shift()) {
      const isr = (proposal.isr ?? []).map(({ node }) => ({ node, brokerEpoch: this.#image.brokers.get(node)!.brokerEpoch }))
      const ruled = changeIsr(this.#image, { ...proposal, partition: 0, leader: proposal.node, isr })
      if (typeof ruled === 'string') this.lines.push(`${' '.repeat(20)} the coordinator refuses: ${ruled}`)
      else this.#decide(ruled)
    }
  }

  /** Whoever asked for it is not counted on any more. */
  #withdraw(): void {
    const { partitionEpoch } = this.image
    for (const { node, leaderEpoch } of this.partition.failed.splice(0))
      this.#decide(withdrawReplica(this.#image, node, { topicId: TOPIC_ID, partition: 0, leaderEpoch, partitionEpoch }))
  }

  #decide(records: readonly MetadataRecord[]): void {
    const before = this.image
    for (const record of records) applyRecord(this.#image, record)
    if (this.image === before) return
    this.#showDecision()
    const { leader, leaderEpoch, replicas, isr, elr } = this.image
    for (const node of before.replicas) if (!replicas.includes(node)) this.partition.stop(node)
    this.partition.decide({ leader, leaderEpoch, replicas, isr, elr, minInsync: this.#minInsync() })
    for (const node of replicas) if (!before.replicas.includes(node) && !this.#dead.has(node)) this.partition.start(node)
    for (const node of replicas) this.#show(node)
    this.#propose()
  }

  #onMessage(from: Address, to: Address, message: Message): void {
    const text = textOf(message)
    const link = `${nameOf(from)} -> ${nameOf(to)}`
    const isAgain = this.#said.get(link) === text && (message.kind === 'fetch' || message.kind === 'fetchResponse')
    if (text === null || isAgain) return
    this.#said.set(link, text)
    this.lines.push(`${link.padEnd(20)} ${text}`)
  }

  #showAll(): void {
    for (const { node, isUp } of this.partition.nodes) if (isUp) this.#show(node)
  }

  #showDecision(): void {
    const { leader, leaderEpoch, replicas, isr, elr } = this.image
    const eligible = elr.length === 0 ? '' : `, eligible ${elr.join(' ')}`
    const leads = leader < 0 ? 'nobody leads' : `node ${leader} leads`
    this.lines.push(`coordinator          ${leads} in epoch ${leaderEpoch}, replicas ${replicas.join(' ')}, in sync ${isr.join(' ')}${eligible}`)
  }

  #show(node: number): void {
    const { phase, highWatermark, role } = this.partition.state(node)
    if (phase === 'recovering' || phase === 'settling' || this.#dead.has(node)) return
    const batches = this.partition.log(node).map((batch) => batch.replace(/(\d+)\/(\d+)@.*/, '$1 (epoch $2)'))
    const line = `${phase} in epoch ${role.leaderEpoch}, log [${batches.join(', ')}], high watermark ${highWatermark.offset}`
    if (this.#shown.get(node) === line) return
    this.#shown.set(node, line)
    this.lines.push(`${' '.repeat(20)} node ${node} is now: ${line}`)
  }
}

function nameOf({ node, actor }: Address): string {
  return node < 0 ? 'client' : actor === 'broker' ? 'coordinator' : `node ${node}`
}

/** What is said, in words; null for what no reader needs. */
function textOf(message: Message): string | null {
  switch (message.kind) {
    case 'produce':
      return `take this, for ${message.acks === 'quorum' ? 'all in sync' : 'you alone'}`
    case 'produceResponse':
      return message.errorCode === NONE ? `it is at offset ${message.baseOffset}` : `no: ${errorOf(message.errorCode).name}`
    case 'fetch':
      if (message.replicaId < 0) return `what is at offset ${message.fetchOffset}?`
      return `I have everything below ${message.fetchOffset}${message.lastFetchedEpoch < 0 ? '' : `, the last of it of epoch ${message.lastFetchedEpoch}`}; what is next?`
    case 'fetchResponse': {
      if (message.errorCode !== NONE) return `no: ${errorOf(message.errorCode).name}`
      if (message.divergingEndOffset >= 0)
        return `your log is another one: here, epoch ${message.divergingEpoch} ends at ${message.divergingEndOffset}`
      const { records, highWatermark } = message
      const batches = records === null ? [] : walkBatches(records).map(({ at }) => [baseOffset(records, at), lastOffset(records, at)] as const)
      const what = batches.length === 0 ? 'nothing' : `offset ${batches.map(([begin, end]) => (begin === end ? begin : `${begin}-${end}`)).join(', ')}`
      return `${what}; committed is everything below ${highWatermark}`
    }
    case 'replicaFailed':
      return message.isDamaged ? 'my log is damaged: nobody shall count on it' : null
    case 'alterPartition':
      return `in sync should be ${(message.isr ?? []).map(({ node }) => node).join(' ')}`
    default:
      return null
  }
}
