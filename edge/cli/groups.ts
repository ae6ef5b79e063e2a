/**
 * `odradek groups`: which consumer groups there are, who is in them, how far behind they are, and where they go on.
 */
import { Command } from 'commander'
import type { Cluster, GroupDescription, OffsetToCommit } from '../client/api.ts'
import { table, write, writeJson } from './output.ts'
import { parseStart } from './parse.ts'
import type { StartPosition } from './parse.ts'
import { withCluster, withGlobals } from './session.ts'
import type { Session } from './session.ts'

/** One partition of a group: how much of it is not committed yet. */
interface Lag {
  readonly topic: string
  readonly partition: number
  readonly committed: number
  readonly end: number
  readonly lag: number
}

/** The command with its subcommands. */
export function groupsCommand(): Command {
  const command = new Command('groups').description('list and describe consumer groups, and reset their offsets')
  command.addCommand(withGlobals(list()))
  command.addCommand(withGlobals(describe()))
  command.addCommand(withGlobals(reset()))
  return command
}

function list(): Command {
  return new Command('list').description('list all groups').action((_options: unknown, command: Command) =>
    withCluster(command, 'read', async ({ cluster, asJson }) => {
      const groups = await cluster.admin.listGroups()
      await (asJson ? writeJson(groups) : write(groups.map((group) => `${group}\n`).join('')))
    }),
  )
}

function describe(): Command {
  return new Command('describe')
    .description('show the members, committed offsets and lag of a group')
    .argument('<group>')
    .action((name: string, _options: unknown, command: Command) => withCluster(command, 'read', (session) => show(session, name)))
}

function reset(): Command {
  return new Command('reset')
    .description('have a group go on elsewhere in all partitions of a topic; nobody may be in it')
    .argument('<group>')
    .requiredOption('-t, --topic <name>', 'the topic')
    .requiredOption('--to <where>', 'earliest, latest, an OFFSET, @MILLISECONDS or a date', parseStart)
    .addHelpText('after', '\nExample:\n  odradek groups reset billing --topic orders --to earliest')
    .action((name: string, { topic, to }: { topic: string; to: StartPosition }, command: Command) =>
      withCluster(command, 'read', async (session) => {
        const { admin } = session.cluster
        if (to.kind === 'offset') await admin.alterGroupOffsets(name, await withinLog(session, topic, to.offset))
        else await admin.resetGroupOffsets(name, topic, to.kind === 'timestamp' ? to.timestamp : to.kind)
        await show(session, name)
      }),
    )
}

/** The same offset in all partitions, as far as it is there. */
async function withinLog({ cluster }: Session, topic: string, wanted: number): Promise<OffsetToCommit[]> {
  const { partitions } = await cluster.admin.describeTopic(topic)
  return partitions.map(({ partition, beginOffset, endOffset }) => ({
    topic,
    partition,
    offset: Math.min(Math.max(wanted, beginOffset), endOffset),
  }))
}

async function show({ cluster, asJson }: Session, name: string): Promise<void> {
  const group = await cluster.admin.describeGroup(name)
  const lags = await lagsOf(cluster, group)
  await (asJson ? writeJson({ ...group, lags }) : write(describeText(group, lags)))
}

async function lagsOf(cluster: Cluster, { offsets }: GroupDescription): Promise<Lag[]> {
  const topics = [...new Set(offsets.map(({ topic }) => topic))]
  const ends = new Map<string, Map<number, number>>()
  for (const topic of topics) ends.set(topic, await cluster.admin.listOffsets(topic, 'latest'))
  return offsets.map(({ topic, partition, offset }) => {
    const end = ends.get(topic)?.get(partition) ?? offset
    return { topic, partition, committed: offset, end, lag: end - offset }
  })
}

function describeText(group: GroupDescription, lags: readonly Lag[]): string {
  const heading = `${group.group}: ${group.state}, epoch ${group.epoch}, ${group.members.length} members\n`
  const members = group.members.map(({ memberId, memberEpoch, assignment }) => {
    const owned = assignment.map(({ topic, partitions }) => `${topic}[${partitions.join(',')}]`).join(' ')
    return [memberId, memberEpoch, owned]
  })
  const rows = lags.map(({ topic, partition, committed, end, lag }) => [topic, partition, committed, end, lag])
  const memberTable = members.length === 0 ? '' : `\n${table(['member', 'epoch', 'partitions'], members)}`
  return `${heading}${memberTable}\n${table(['topic', 'partition', 'committed', 'end', 'lag'], rows)}`
}
