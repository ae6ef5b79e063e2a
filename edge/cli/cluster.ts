/**
 * `odradek cluster`: which nodes there are, what each leads and holds, and whether every partition has its leader and its replicas.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { ClusterDescription } from '../client/admin-api.ts'
import type { Cluster } from '../client/api.ts'
import { table, write, writeJson } from './output.ts'
import { withCluster, withGlobals } from './session.ts'
import type { Session } from './session.ts'

const EXAMPLES = `
A fenced node is dead, silent, not ready or stopping: it leads nothing. Voters decide about metadata. A partition is under-replicated while a replica is
out of sync, under-min-isr while so many are that nothing is acknowledged by the quorum, and offline while it has no leader.
The first ten of each are named, all of them with --json.

Examples:
  odradek cluster
  odradek cluster --json
  odradek topics describe orders         leader, replicas, ISR and lag of each partition`

/** How long replicas may take to come into sync before they are reported. */
const SETTLE_MILLIS_MAX = 2000

const LOOK_MILLIS = 20

/** More names of partitions are not read by people; with --json there are all. */
const NAMES_MAX = 10

/** The command. */
export function clusterCommand(): Command {
  return withGlobals(new Command('cluster'))
    .description('show the nodes, what they lead and hold, and what is missing')
    .addHelpText('after', EXAMPLES)
    .action((_options: unknown, command: Command) => withCluster(command, 'read', showCluster))
}

/** Writes what the cluster is now, once the nodes have come. */
export async function showCluster({ cluster, asJson }: Session): Promise<void> {
  const description = await settled(cluster)
  await (asJson ? writeJson(description) : write(clusterText(description)))
}

/** The nodes have just started: what is missing after a moment is really missing. */
async function settled(cluster: Cluster): Promise<ClusterDescription> {
  const deadline = performance.now() + SETTLE_MILLIS_MAX
  for (;;) {
    const description = await cluster.admin.describeCluster()
    const isWhole = description.underReplicatedPartitions === 0 && description.nodes.every(({ fenced }) => !fenced)
    if (isWhole || performance.now() > deadline) return description
    await sleep(LOOK_MILLIS)
  }
}

function clusterText(description: ClusterDescription): string {
  const rows = description.nodes.map(({ node, fenced, isVoter, leaders, replicas, rack }) => [
    node,
    fenced ? 'fenced' : 'active',
    isVoter ? 'yes' : 'no',
    leaders,
    replicas,
    rack ?? '-',
  ])
  const counts = table(
    ['cluster', '', ''],
    [
      ['controller', description.controller < 0 ? 'none' : description.controller, ''],
      ['under-replicated', description.underReplicatedPartitions, namesOf(description.underReplicated)],
      ['under-min-isr', description.underMinIsrPartitions, namesOf(description.underMinIsr)],
      ['offline', description.offlinePartitions, namesOf(description.offline)],
    ],
  )
  return `${table(['node', 'state', 'voter', 'leaders', 'replicas', 'rack'], rows)}\n${counts}`
}

/** The first ones of them. */
function namesOf(partitions: readonly TopicPartition[]): string {
  const names = partitions.slice(0, NAMES_MAX).map(({ topic, partition }) => topicPartitionName(topic, partition))
  const more = partitions.length - names.length
  return `${names.join(' ')}${more > 0 ? ` and ${more} more` : ''}`
}
