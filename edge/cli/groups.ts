/**
 * `odradek groups`: which consumer groups there are, who is in them, and how far behind they are.
 */
import { Command } from 'commander'
import type { Cluster, GroupDescription } from '../client/api.ts'
import { table, write, writeJson } from './output.ts'
import { withCluster, withGlobals } from './session.ts'

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
  const command = new Command('groups').description('list and describe consumer groups')
  command.addCommand(withGlobals(list()))
  command.addCommand(withGlobals(describe()))
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
    .action((name: string, _options: unknown, command: Command) =>
      withCluster(command, 'read', async ({ cluster, asJson }) => {
        const group = await cluster.admin.describeGroup(name)
        const lags = await lagsOf(cluster, group)
        await (asJson ? writeJson({ ...group, lags }) : write(describeText(group, lags)))
      }),
    )
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
