/**
 * In some runs, a client that asks where partitions end, of any node that there is, as monitors do. Who leads must know of all that was read there (replicas.ts looks at the answer); what
 * others say is an error.
 */
import { replicaActor } from '../../protocol/address.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import { LATEST_TIMESTAMP } from '../../protocol/messages/fetch.ts'
import type { Cluster } from '../cluster.ts'
import { Random } from '../random.ts'
import { livesOf } from '../truth.ts'

/** Of so many seeds one has it. */
const SHARE = 6

/** Between two questions, on average, in microseconds. */
const PAUSE_MICROS = 20_000

/** Whether a seed has it. */
export function drawSurveyor(seed: number): boolean {
  return new Random(seed, 'latest').below(SHARE) === 0
}

/** Begins to ask, as long as faults strike; it never dies. */
export function survey(cluster: Cluster): void {
  if (!cluster.plan.isSurveyed) return
  const { world, faults, nodes, topics, truth } = cluster
  const random = new Random(world.seed, 'latest/questions')
  const host = cluster.newClient('surveyor')
  host.attach('surveyor', { receive: () => undefined })
  let correlationId = 0
  const ask = (): void => {
    if (!faults.active) return
    const [topic, partitions] = random.pick([...topics])
    const partition = random.below(partitions)
    const { node } = random.pick(nodes).host
    const life = livesOf(truth, topicPartitionName(topic, partition)).at(-1)
    const to = { node, actor: replicaActor(topic, partition) }
    const question = { timestamp: LATEST_TIMESTAMP, isolationLevel: 'read_uncommitted' } as const
    if (life !== undefined)
      host.send({ node: host.node, actor: 'surveyor' }, to, {
        kind: 'listOffsets',
        correlationId: ++correlationId,
        topicId: life.topicId,
        ...question,
      })
    host.after(random.exponential(PAUSE_MICROS), ask)
  }
  ask()
}
