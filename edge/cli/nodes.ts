/**
 * `odradek nodes`: more nodes, replicas spread over them or moved off one, and nodes that go. A move goes on only while the cluster is open, so the commands
 * wait for it.
 */
import { Command, Option } from 'commander'
import type { RebalanceOptions } from '../client/index.ts'
import { showCluster } from './cluster.ts'
import { say } from './output.ts'
import { parseCount, parseNodeCount, parseWhole } from './parse.ts'
import { EXIT_INTERRUPTED, waitFor, withCluster, withClusterToTheEnd, withGlobals } from './session.ts'
import type { Session } from './session.ts'
import { movesNews, offlineNews } from './waiting.ts'

const EXAMPLES = `
Examples:
  odradek nodes grow 5 && odradek nodes rebalance      two more nodes for a cluster of three, and their share
  odradek nodes drain 2 --throttle 10000000            ten megabytes a second, not more
  odradek voters remove 2 && odradek nodes remove 2    lets a drained node go, for good`

/** The command with its subcommands. */
export function nodesCommand(): Command {
  const command = new Command('nodes')
    .description('add nodes, spread replicas over them, drain and remove nodes')
    .addHelpText('after', EXAMPLES)
  for (const child of [grow(), rebalance(), drain(), remove()]) command.addCommand(withGlobals(child))
  return command
}

function grow(): Command {
  return new Command('grow')
    .description('raise the number of nodes; topics that are made from then on use them')
    .argument('<total>', 'the new number of nodes', parseNodeCount)
    .action((total: number, _options: unknown, command: Command) => withCluster(command, 'read', showCluster, { nodes: total }))
}

function rebalance(): Command {
  return withThrottle(new Command('rebalance'))
    .description('spread replicas and leaders evenly over the nodes')
    .addOption(new Option('--by <what>', 'what every node is to have as much of').choices(['replicas', 'bytes']).default('replicas'))
    .action(({ by, ...options }: ThrottleOptions & Required<Pick<RebalanceOptions, 'by'>>, command: Command) =>
      withLimit(command, options, async (session) => {
        await untilMoved(session, (signal) => session.cluster.admin.rebalance({ by, signal }))
        await showCluster(session)
      }),
    )
}

function drain(): Command {
  return withThrottle(new Command('drain'))
    .description('move all replicas off a node')
    .argument('<node>', 'which node', parseWhole)
    .action((node: number, options: ThrottleOptions, command: Command) =>
      withLimit(command, options, async (session) => {
        await untilMoved(session, (signal) => session.cluster.admin.drainNode(node, { signal }))
        await showCluster(session)
      }),
    )
}

function remove(): Command {
  return new Command('remove')
    .description('remove a node that has no replicas and does not vote; its id is not used again')
    .argument('<node>', 'which node', parseWhole)
    .action((node: number, _options: unknown, command: Command) =>
      withCluster(command, 'read', async (session) => {
        await session.cluster.admin.removeNode(node)
        await showCluster(session)
      }),
    )
}

/** What `--throttle` gives. */
export interface ThrottleOptions {
  readonly throttle?: number
}

/** Adds the option that limits what moves take. */
export function withThrottle(command: Command): Command {
  return command.option('--throttle <bytes>', 'what a node copies at most per second for replicas that are moved to it', parseCount)
}

/** Works with that limit. One that is kept in the metadata counts more than what the cluster is opened with: it is replaced meanwhile. */
export function withLimit(command: Command, { throttle }: ThrottleOptions, work: (session: Session) => Promise<void>): Promise<void> {
  if (throttle === undefined) return withClusterToTheEnd(command, 'read', work)
  const limited = async (session: Session): Promise<void> => {
    const { admin } = session.cluster
    const { reassignmentBytesPerSecond: kept } = await waitFor(session, offlineNews(session.cluster), () => admin.describeCluster())
    if (kept === null) return work(session)
    await admin.throttleReassignments(throttle)
    try {
      await work(session)
    } finally {
      await admin.throttleReassignments(kept)
    }
  }
  return withClusterToTheEnd(command, 'read', limited, { reassignmentBytesPerSecond: throttle })
}

/** Waits for moves: after Ctrl-C they go on by themselves. */
export async function untilMoved(session: Session, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  try {
    await waitFor(session, movesNews(session.cluster), () => work(session.interrupted))
  } catch (error) {
    if (!session.interrupted.aborted) throw error
    say('Not everything has moved. What has begun goes on whenever the cluster is open.')
    process.exitCode = EXIT_INTERRUPTED
  }
}
