/**
 * `odradek share-groups`: which share groups there are, who is in them, and what they have not done with.
 */
import { Command } from 'commander'
import type { ShareGroupDescription } from '../client/share-api.ts'
import { countOf, table, write, writeJson, writeTable } from './output.ts'
import { withCluster, withGlobals } from './session.ts'

/** The command with its subcommands. */
export function shareGroupsCommand(): Command {
  const command = new Command('share-groups').description('list, describe and delete share groups (queues)')
  command.addCommand(withGlobals(list()))
  command.addCommand(withGlobals(describe()))
  command.addCommand(withGlobals(remove()))
  return command
}

function list(): Command {
  return new Command('list').description('list all share groups').action((_options: unknown, command: Command) =>
    withCluster(command, 'read', async ({ cluster, asJson }) => {
      const groups = await cluster.admin.listShareGroups()
      const rows = groups.map(({ group, state }) => [group, state])
      await (asJson ? writeJson(groups) : writeTable('share groups', ['group', 'state'], rows))
    }),
  )
}

function describe(): Command {
  return new Command('describe')
    .description('show the members, start offsets and lag of a share group')
    .argument('<group>')
    .action((name: string, _options: unknown, command: Command) =>
      withCluster(command, 'read', async ({ cluster, asJson }) => {
        const group = await cluster.admin.describeShareGroup(name)
        await (asJson ? writeJson(group) : write(describeText(group)))
      }),
    )
}

function remove(): Command {
  return new Command('delete')
    .description('delete a share group that nobody is in')
    .argument('<group>')
    .action((name: string, _options: unknown, command: Command) =>
      withCluster(command, 'read', async ({ cluster, asJson }) => {
        await cluster.admin.deleteShareGroup(name)
        await (asJson ? writeJson({ deleted: name }) : write(`deleted ${name}\n`))
      }),
    )
}

function describeText({ group, state, members, partitions }: ShareGroupDescription): string {
  const heading = `${group}: ${state}, ${countOf(members.length, 'member')}\n`
  const memberRows = members.map(({ memberId, topics }) => [memberId, topics.join(' ')])
  const memberTable = members.length === 0 ? '' : `\n${table(['member', 'topics'], memberRows)}`
  const rows = partitions.map(({ topic, partition, startOffset, endOffset, inFlight, lag }) => {
    return [topic, partition, startOffset, endOffset ?? '-', inFlight, lag ?? '-']
  })
  return `${heading}${memberTable}\n${table(['topic', 'partition', 'start', 'end', 'in flight', 'lag'], rows)}`
}
