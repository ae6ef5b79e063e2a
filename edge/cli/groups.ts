/**
 * `odradek groups`: which consumer groups there are, who is in them, how far behind they are, and where they go on.
 */
import { Command } from 'commander'
import type { OffsetToCommit } from '../client/api.ts'
import type { GroupDescription } from '../client/group-description.ts'
import { table, write, writeJson } from './output.ts'
import { parseStart } from './parse.ts'
import type { StartPosition } from './parse.ts'
import { withCluster, withGlobals } from './session.ts'
import type { Session } from './session.ts'

/** The command with its subcommands. */
export function groupsCommand(): Command {
  const command = new Command('groups').description('list, describe and delete consumer groups, and reset their offsets')
  command.addCommand(withGlobals(list()))
  command.addCommand(withGlobals(describe()))
  command.addCommand(withGlobals(reset()))
  command.addCommand(withGlobals(remove()))
  return command
}

function list(): Command {
  return new Command('list').description('list all groups').action((_options: unknown, command: Command) =>
    withCluster(command, 'read', async ({ cluster, asJson }) => {
      const groups = await cluster.admin.listGroups()
      const rows = groups.map(({ group, state }) => [group, state])
      await (asJson ? writeJson(groups) : write(rows.length === 0 ? '' : table(['group', 'state'], rows)))
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

function remove(): Command {
  return new Command('delete')
    .description('delete a group that nobody is in, or only its committed offsets of one topic')
    .argument('<group>')
    .option('-t, --topic <name>', 'only the offsets of this topic')
    .addHelpText('after', '\nExample:\n  odradek groups delete billing')
    .action((name: string, { topic }: { topic?: string }, command: Command) =>
      withCluster(command, 'read', async ({ cluster: { admin }, asJson }) => {
        if (topic === undefined) await admin.deleteGroup(name)
        else {
          const { offsets } = await admin.describeGroup(name)
          await admin.deleteGroupOffsets(
            name,
            offsets.filter((one) => one.topic === topic),
          )
        }
        const deleted = topic === undefined ? { deleted: name } : { deleted: name, topic }
        await (asJson
          ? writeJson(deleted)
          : write(topic === undefined ? `deleted ${name}\n` : `deleted the offsets of ${topic} in ${name}\n`))
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
  await (asJson ? writeJson(group) : write(describeText(group)))
}

function describeText(group: GroupDescription): string {
  const heading = `${group.group}: ${group.state}, epoch ${group.epoch}, ${group.members.length} members, assignor ${group.assignor}\n`
  const members = group.members.map(({ memberId, instanceId, memberEpoch, assignment }) => {
    const owned = assignment.map(({ topic, partitions }) => `${topic}[${partitions.join(',')}]`).join(' ')
    return [memberId, instanceId ?? '-', memberEpoch, owned]
  })
  const rows = group.lags.map(({ topic, partition, committed, endOffset, lag, memberId }) => {
    return [topic, partition, committed ?? '-', endOffset ?? '-', lag ?? '-', memberId ?? '-']
  })
  const memberTable = members.length === 0 ? '' : `\n${table(['member', 'instance', 'epoch', 'partitions'], members)}`
  return `${heading}${memberTable}\n${table(['topic', 'partition', 'committed', 'end', 'lag', 'member'], rows)}`
}
