/**
 * `odradek groups`: which consumer groups there are, who is in them, how far behind they are, and where they go on.
 */
import { Command } from 'commander'
import { KafkaError } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Admin } from '../client/admin-api.ts'
import type { GroupDescription } from '../client/group-description.ts'
import { countOf, say, table, write, writeJson, writeTable } from './output.ts'
import { parseStart } from './parse.ts'
import type { StartPosition } from './parse.ts'
import { withCluster, withGlobals } from './session.ts'
import type { Session } from './session.ts'

const RESET_HELP = `
An offset that a partition does not have becomes its first or its last one, as in kafka-consumer-groups, and the command says where. A group that does not
exist is refused: kafka-consumer-groups would make it, whatever was mistyped; here --create does.

Examples:
  odradek groups reset billing --topic orders --to earliest
  odradek groups reset reports --topic orders --to latest --create`

const DESCRIBE_HELP = `
The epochs of a group and of its members are in the output of --json. They begin at random wherever the group's coordinator begins, so that nothing from
before counts any more, and grow with each change: only their order means something.`

interface ResetOptions {
  readonly topic: string
  readonly to: StartPosition
  readonly create?: boolean
}

/** An offset that a partition does not have, and the one that the group has instead. */
interface ClampedOffset {
  readonly topic: string
  readonly partition: number
  readonly wanted: number
  readonly offset: number
}

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
      await (asJson ? writeJson(groups) : writeTable('consumer groups', ['group', 'state'], rows))
    }),
  )
}

function describe(): Command {
  return new Command('describe')
    .description('show the members, committed offsets and lag of a group')
    .argument('<group>')
    .addHelpText('after', DESCRIBE_HELP)
    .action((name: string, _options: unknown, command: Command) => withCluster(command, 'read', (session) => show(session, name)))
}

function reset(): Command {
  return new Command('reset')
    .description('have a group go on elsewhere in all partitions of a topic; nobody may be in it')
    .argument('<group>')
    .requiredOption('-t, --topic <name>', 'the topic')
    .requiredOption('--to <where>', 'earliest, latest, an OFFSET, @MILLISECONDS or a date', parseStart)
    .option('--create', 'make the group if there is none')
    .addHelpText('after', RESET_HELP)
    .action((name: string, { topic, to, create }: ResetOptions, command: Command) =>
      withCluster(command, 'read', async (session) => {
        const { admin } = session.cluster
        if (create !== true) await checkThere(admin, name)
        if (to.kind === 'offset') return goOnAt(session, name, topic, to.offset)
        await admin.resetGroupOffsets(name, topic, to.kind === 'timestamp' ? to.timestamp : to.kind)
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

/** A name that is mistyped must not become a group. */
async function checkThere(admin: Admin, name: string): Promise<void> {
  const groups = await admin.listGroups()
  if (groups.some(({ group }) => group === name)) return
  throw new KafkaError('GROUP_ID_NOT_FOUND', `there is no group ${JSON.stringify(name)}; --create makes it`)
}

/** The same offset in all partitions, as far as it is there. */
async function goOnAt(session: Session, name: string, topic: string, wanted: number): Promise<void> {
  const { admin } = session.cluster
  const begins = await admin.listOffsets(topic, 'earliest')
  const ends = await admin.listOffsets(topic, 'latest')
  const offsets = Array.from(begins, ([partition, begin]) => {
    return { topic, partition, offset: Math.min(Math.max(wanted, begin), ends.get(partition) ?? begin) }
  })
  await admin.alterGroupOffsets(name, offsets)
  const clamped = offsets.filter(({ offset }) => offset !== wanted).map((one): ClampedOffset => ({ ...one, wanted }))
  if (!session.asJson) {
    for (const { partition, offset } of clamped)
      say(`${topicPartitionName(topic, partition)} does not have the offset ${wanted}: the group goes on at ${offset}.`)
  }
  await show(session, name, { clamped })
}

/** For programs with what else there is to be said. */
async function show({ cluster, asJson }: Session, name: string, more: { readonly clamped?: readonly ClampedOffset[] } = {}): Promise<void> {
  const group = await cluster.admin.describeGroup(name)
  await (asJson ? writeJson({ ...group, ...more }) : write(describeText(group)))
}

function describeText(group: GroupDescription): string {
  const protocol = group.protocol === 'classic' ? `protocol classic, generation ${group.epoch}, ` : ''
  const heading = `${group.group}: ${group.state}, ${countOf(group.members.length, 'member')}, ${protocol}assignor ${group.assignor || '-'}\n`
  const members = group.members.map(({ memberId, instanceId, assignment }) => {
    const owned = assignment.map(({ topic, partitions }) => `${topic}[${partitions.join(',')}]`).join(' ')
    return [memberId, instanceId ?? '-', owned]
  })
  const rows = group.lags.map(({ topic, partition, committed, endOffset, lag, memberId }) => {
    return [topic, partition, committed ?? '-', endOffset ?? '-', lag ?? '-', memberId ?? '-']
  })
  const memberTable = members.length === 0 ? '' : `\n${table(['member', 'instance', 'partitions'], members)}`
  return `${heading}${memberTable}\n${table(['topic', 'partition', 'committed', 'end', 'lag', 'member'], rows)}`
}
