/** An administrator asks again and again how groups are, whoever may keep them: also right after one has moved, when its coordinator has read the log, and nobody has come yet. What is answered is compared where it is said (TOLD). */
import { coordinatorPartitionOf } from '../coordinator/metadata.ts'
import { groupsActor } from '../protocol/address.ts'
import { again } from './again.ts'
import type { Cluster } from './cluster.ts'
import { COORDINATOR_PARTITIONS } from './plan.ts'
import { Random } from './random.ts'

/** Between two questions, on average, in microseconds. */
const ASK_MICROS = 40_000

/** Begins; it ends when the run heals. */
export function inquire(cluster: Cluster): void {
  const host = cluster.newClient('inquirer')
  const from = { node: host.node, actor: 'inquirer' }
  let correlationId = 0
  host.attach(from.actor, { receive: () => undefined })
  again(cluster, ASK_MICROS, new Random(cluster.world.seed, 'hardships/inquiries'), (random) => {
    const group = random.pick(cluster.groups.inside).name
    const actor = groupsActor(coordinatorPartitionOf(group, COORDINATOR_PARTITIONS))
    host.send(from, { node: random.pick(cluster.nodes).host.node, actor }, { kind: 'describeGroup', correlationId: ++correlationId, group })
  })
}
