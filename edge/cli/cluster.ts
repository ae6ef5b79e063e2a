/**
 * `odradek cluster`: which nodes there are, what each leads and holds, and whether every partition has its leader and its replicas.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import type { ClusterDescription } from '../client/admin-api.ts'
import { namesOf, table, write, writeJson } from './output.ts'
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

/** The command. */
export function clusterCommand(): Command {
  return withGlobals(new Command('cluster'))
    .description('show the nodes, what they lead and hold, and what is missing')
    .addHelpText('after', EXAMPLES)
    .action((_options: unknown, command: Command) => withCluster(command, 'read', showCluster))
}

/** Writes what the cluster is now, once the nodes have come. */
export async function showCluster(session: Session): Promise<void> {
  const description = await settled(session)
  await (session.asJson ? writeJson(description) : write(clusterText(description)))
}

/** The nodes have just started: what is missing after a moment is really missing, unless nobody wants to wait. */
async function settled({ cluster, interrupted }: Session): Promise<ClusterDescription> {
  const deadline = performance.now() + SETTLE_MILLIS_MAX
  for (;;) {
    const description = await cluster.admin.describeCluster()
    const isWhole = description.underReplicatedPartitions === 0 && description.nodes.every(({ fenced }) => !fenced)
    if (isWhole || interrupted.aborted || performance.now() > deadline) return description
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
