/**
 * Logs whose beginnings move: somebody deletes records again and again, of the newest as well as of old ones, while members of a share group have them; and what the coordinator of the group writes about
 * them takes its time, for its replicas hear it late.
 */
import { SHARE_TOPIC } from '../coordinator/metadata.ts'
import { replicaActor } from '../protocol/address.ts'
import { NONE } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import { DELETE_TO_HIGH_WATERMARK } from '../protocol/messages/fetch.ts'
import type { Message } from '../protocol/messages/message.ts'
import { again, soon } from './again.ts'
import type { Cluster } from './cluster.ts'
import type { Host } from './host.ts'
import { sharedTopics } from './plan.ts'
import { Random } from './random.ts'
import { lifeOf, noteDeleted } from './truth.ts'

/** Between two tides, on average, in microseconds: long enough for locks to end. */
const PAUSE_MICROS = 1_200_000

/** Deletions of one tide, at most. */
const DELETIONS_MAX = 3

/** What replicas say and hear waits for so long, in microseconds. */
const WAITS_MICROS = [30_000, 200_000, 700_000, 1_200_000] as const

/** One deletion in so many is of all; and of others, one in so many of any number, and the rest of all but so many at most. */
const WHOLE_SHARE = 8
const ANY_SHARE = 3
const LEFT_MAX = 6

/** Begins; it ends when the run heals. */
export function moveBeginnings(cluster: Cluster): void {
  const deletions = new Deletions(cluster)
  again(cluster, PAUSE_MICROS, new Random(cluster.world.seed, 'hardships/tides'), (random) => {
    const micros = 1 + random.below(random.pick(WAITS_MICROS))
    slowDown(cluster, random, micros)
    for (let left = random.between(1, DELETIONS_MAX); left > 0; left--) soon(cluster, random.below(micros), () => deletions.delete(random))
  })
}

/** Replicas of the coordinator's log hear late what is written there, and so does everybody else on those nodes. */
function slowDown(cluster: Cluster, random: Random, micros: number): void {
  const partitions = cluster.latestImage()?.topics.get(SHARE_TOPIC)?.partitions ?? []
  for (const { leader, replicas } of partitions) {
    if (leader < 0) continue
    for (const node of replicas) if (node !== leader) cluster.clog(node, leader, micros)
    if (random.below(2) === 0) cluster.nodes[leader]!.disk.hangsUntil = cluster.world.nowMicros + micros
  }
}

/** Whoever deletes records; asks each leader once, and does not die. */
class Deletions {
  readonly #cluster: Cluster
  readonly #host: Host
  /** By correlation id: of which topic. */
  readonly #asked: Map<number, { readonly name: string; readonly topicId: number }> = new Map()
  #correlationId = 0

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#host = cluster.newClient('tide')
    this.#host.attach('tide', { receive: (message) => this.#receive(message) })
  }

  delete(random: Random): void {
    const topic = this.#cluster.latestImage()?.topics.get(random.pick(sharedTopics(this.#cluster.plan)))
    if (topic === undefined) return
    const partition = random.below(topic.partitions.length)
    const leader = topic.partitions[partition]?.leader ?? -1
    const name = topicPartitionName(topic.name, partition)
    const life = lifeOf(this.#cluster.truth, name, topic.topicId)
    if (leader < 0 || life === undefined || life.exposedEnd <= life.startOffset) return
    const correlationId = ++this.#correlationId
    this.#asked.set(correlationId, { name, topicId: topic.topicId })
    const to = { node: leader, actor: replicaActor(topic.name, partition) }
    const beforeOffset = placeOf(random, life)
    this.#host.send({ node: this.#host.node, actor: 'tide' }, to, {
      kind: 'deleteRecords',
      correlationId,
      topicId: topic.topicId,
      beforeOffset,
    })
  }

  #receive(message: Message): void {
    if (message.kind !== 'deleteRecordsResponse') return
    const asked = this.#asked.get(message.correlationId)
    this.#asked.delete(message.correlationId)
    if (asked !== undefined && message.errorCode === NONE)
      noteDeleted(this.#cluster.truth, asked.name, asked.topicId, message.logStartOffset)
  }
}

function placeOf(random: Random, { startOffset, exposedEnd }: { readonly startOffset: number; readonly exposedEnd: number }): number {
  if (random.below(WHOLE_SHARE) === 0) return DELETE_TO_HIGH_WATERMARK
  if (random.below(ANY_SHARE) === 0) return random.between(startOffset, exposedEnd)
  return Math.max(startOffset, exposedEnd - random.below(LEFT_MAX))
}
