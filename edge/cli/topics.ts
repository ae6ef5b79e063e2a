/**
 * `odradek topics`: make, list, describe, change and delete topics.
 */
import { Command } from 'commander'
import { describeAllowed, topicSettings } from '../../protocol/topic-config.ts'
import type { CreateTopicOptions, TopicDescription } from '../client/admin-api.ts'
import { isDataDirectory } from '../client/data-directory.ts'
import { open } from '../client/index.ts'
import { InputError } from './failure.ts'
import { say, table, write, writeJson } from './output.ts'
import { parseNodeCount, parsePartitions, parseSettings } from './parse.ts'
import { directoryOf, MEMORY, withCluster, withGlobals } from './session.ts'
import type { GlobalOptions, Session } from './session.ts'
import { deleteRecordsCommand } from './topics-delete-records.ts'
import { reassignCommand } from './topics-reassign.ts'

const DESCRIBE_HELP = `
The lag is how many offsets each replica is behind the leader's log, in the order of the replicas. What only the leader of a partition knows is \`-\` (null with --json) while there is none, or it does not answer soon.

Example:
  odradek topics describe orders`

/** `nodes` and the global options are read by the session, which opens the directory. */
type CreateOptions = CreateTopicOptions & GlobalOptions

/** The command with its subcommands. */
export function topicsCommand(): Command {
  const command = new Command('topics').description('make, list, describe, change and delete topics')
  for (const child of [list(), create(), describe(), alter(), addPartitions(), reassignCommand(show), deleteRecordsCommand(show), remove()])
    command.addCommand(withGlobals(child))
  return command
}

function list(): Command {
  return new Command('list')
    .description('list all topics')
    .option('--internal', 'list internal topics, too')
    .action((options: { internal?: boolean }, command: Command) =>
      withCluster(command, 'read', async ({ cluster, asJson }) => {
        const names = await cluster.admin.listTopics({ internal: options.internal === true })
        if (asJson) return writeJson(names)
        if (names.length === 0 && process.stdout.isTTY) say('There are no topics: odradek topics create NAME makes one.')
        return write(names.map((name) => `${name}\n`).join(''))
      }),
    )
}

function create(): Command {
  return new Command('create')
    .description('make a topic, and the data directory if there is none')
    .argument('<name>')
    .option('-p, --partitions <count>', 'how many partitions', parsePartitions, 1)
    .option('-r, --replication-factor <count>', 'how many nodes have each partition (default: 3, or all there are)', parseNodeCount)
    .option('-c, --config <name=value...>', 'a setting; may be repeated', parseSettings, {})
    .option('--if-not-exists', 'do nothing if the topic exists')
    .option('--nodes <count>', 'how many nodes the data directory has: 1 in a new one; more than it has join it', parseNodeCount)
    .addHelpText(
      'after',
      () =>
        `\nExamples:\n  odradek topics create orders --partitions 4 --config retentionMillis=-1\n` +
        `  odradek topics create orders --nodes 3 --replication-factor 3\n\n${settingsHelp()}`,
    )
    .action(async (name: string, options: CreateOptions, command: Command) => {
      await rehearse(name, options, directoryOf(command))
      return withCluster(command, 'write', async (session) => {
        await session.cluster.admin.createTopic(name, topicOptions(options))
        await show(session, name)
      })
    })
}

/** A new cluster is not made for a topic that it would refuse: whether it would, says one in memory, of as many nodes. */
async function rehearse(name: string, { nodes = 1, ...options }: CreateOptions, directory: string): Promise<void> {
  if (directory === MEMORY || isDataDirectory(directory)) return
  const cluster = await open(MEMORY, { nodes })
  try {
    await cluster.admin.createTopic(name, topicOptions(options))
  } finally {
    await cluster.close()
  }
}

/** Those that are the topic's. */
function topicOptions({
  directory: _directory,
  json: _json,
  record: _record,
  nodes: _nodes,
  ...options
}: CreateOptions): CreateTopicOptions {
  return options
}

function describe(): Command {
  return new Command('describe')
    .description('show leader, replicas, ISR, ELR, lag and offsets of each partition, and the settings of a topic')
    .argument('<name>')
    .addHelpText('after', DESCRIBE_HELP)
    .action((name: string, _options: unknown, command: Command) => withCluster(command, 'read', (session) => show(session, name)))
}

function alter(): Command {
  return new Command('alter')
    .description('change settings of a topic')
    .argument('<name>')
    .option('-c, --config <name=value...>', 'a setting; may be repeated', parseSettings, {})
    .option('-r, --reset <setting...>', 'a setting that returns to its default', [])
    .addHelpText(
      'after',
      () => `\nExample:\n  odradek topics alter orders --config retentionMillis=86400000 --reset flush\n\n${settingsHelp()}`,
    )
    .action((name: string, options: { config: Record<string, string>; reset: string[] }, command: Command) => {
      const resets = options.reset.map((setting): [string, null] => [setting, null])
      const config = { ...options.config, ...Object.fromEntries(resets) }
      if (Object.keys(config).length === 0) throw new InputError('nothing to change: give --config NAME=VALUE or --reset NAME')
      return withCluster(command, 'read', async (session) => {
        await session.cluster.admin.alterConfig(name, config)
        await show(session, name)
      })
    })
}

function addPartitions(): Command {
  return new Command('add-partitions')
    .description('raise the number of partitions; keys may move to other partitions')
    .argument('<name>')
    .argument('<total>', 'the new number of partitions', parsePartitions)
    .action((name: string, total: number, _options: unknown, command: Command) =>
      withCluster(command, 'read', async (session) => {
        await session.cluster.admin.createPartitions(name, total)
        await show(session, name)
      }),
    )
}

function remove(): Command {
  return new Command('delete')
    .description('delete a topic and all its records')
    .argument('<name>')
    .action((name: string, _options: unknown, command: Command) =>
      withCluster(command, 'read', async ({ cluster, asJson }) => {
        await cluster.admin.deleteTopic(name)
        await (asJson ? writeJson({ deleted: name }) : write(`deleted ${name}\n`))
      }),
    )
}

async function show({ cluster, asJson }: Session, name: string): Promise<void> {
  const topic = await cluster.admin.describeTopic(name)
  await (asJson ? writeJson(topic) : write(describeText(topic)))
}

function describeText(topic: TopicDescription): string {
  const rows = topic.partitions.map(({ partition, leader, leaderEpoch, replicas, isr, elr, lags, beginOffset, endOffset, sizeBytes }) => [
    partition,
    leader < 0 ? 'none' : leader,
    leaderEpoch,
    replicas.join(),
    isr.join(),
    elr.length === 0 ? '-' : elr.join(),
    lags.map(({ lag }) => lag ?? '-').join(),
    beginOffset ?? '-',
    endOffset ?? '-',
    sizeBytes ?? '-',
  ])
  const heading = ['partition', 'leader', 'epoch', 'replicas', 'isr', 'elr', 'lag', 'begin', 'end', 'bytes']
  const settings = Object.entries(topic.config).map(([setting, value]) => [setting, String(value)])
  return `${topic.name}\n\n${table(heading, rows)}\n${table(['setting', 'value'], settings)}`
}

function settingsHelp(): string {
  const rows = Object.entries(topicSettings).map(([name, { doc, allowed }]) => `  ${name}\n      ${doc} ${describeAllowed(allowed)}.`)
  return `Settings (Kafka's dotted names work, too):\n${rows.join('\n')}`
}
