/**
 * `odradek consume`: prints records, up to the end that the topic had when it began, or for ever with --follow. With a group it commits where it begins, and what it
 * has printed, so that the next run goes on; without one it leaves no trace.
 */
import { Command, Option } from 'commander'
import { KafkaError } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicDescription } from '../client/admin-api.ts'
import type { ListOffsetsOptions } from '../client/offset-lookup.ts'
import type { Cluster, Consumer, ConsumerOptions, ConsumerRecord, OffsetToCommit } from '../client/api.ts'
import type { IsolationLevel } from '../../protocol/messages/fetch.ts'
import type { GroupProtocolName } from '../../protocol/messages/group.ts'
import { InputError } from './failure.ts'
import { say, write } from './output.ts'
import { parseCount, parseStart, parseWholes } from './parse.ts'
import type { StartPosition } from './parse.ts'
import { jsonOfRecord, lineOfRecord } from './record-line.ts'
import { waitFor, withClusterToTheEnd, withGlobals } from './session.ts'
import type { Session } from './session.ts'
import { offlineNews, withNews } from './waiting.ts'

/** Without --follow, a member of a group gives up when it was not given a partition in this time: others hold them all. */
const ASSIGNMENT_MILLIS_MAX = 15_000

/** How long one poll may take: Ctrl-C and the end of the topic are noticed at least so often. */
const POLL_MILLIS = 200

const EXAMPLES = `
Examples:
  odradek consume orders                              everything there is, then end
  odradek consume orders --follow --from latest       only what comes from now on
  odradek consume orders --from 2018-02-06T12:00Z     from the first record of that age
  odradek consume orders --partition 0 --from 100 --max 10
  odradek consume orders --group billing --json       what billing has not seen yet; commits
  odradek consume orders --group billing --from latest
                                                      where billing has not committed: nothing, but the next run goes on here`

interface ConsumeOptions {
  readonly from?: StartPosition
  readonly group?: string
  readonly partition?: readonly number[]
  readonly follow?: boolean
  readonly max?: number
  readonly isolationLevel: IsolationLevel
  readonly clientId?: string
  readonly groupProtocol?: GroupProtocolName
}

/** The command. */
export function consumeCommand(): Command {
  return withGlobals(new Command('consume'))
    .description('print records')
    .argument('<topic>')
    .option('-f, --from <where>', 'earliest (default), latest, an OFFSET, @MILLISECONDS or a date', parseStart)
    .option('-g, --group <group>', 'read as a member of this group, and commit')
    .option('-p, --partition <number>', 'only this partition; may be repeated', parseWholes)
    .option('-F, --follow', 'wait for new records until Ctrl-C')
    .option('-n, --max <count>', 'end after so many records', parseCount)
    .addOption(
      new Option('--isolation-level <level>', 'read_committed leaves out what is aborted or not committed yet')
        .choices(['read_uncommitted', 'read_committed'])
        .default('read_uncommitted'),
    )
    .addOption(new Option('--group-protocol <protocol>', 'how it speaks with its group').choices(['consumer', 'classic']))
    .option('--client-id <name>', 'whose quota it keeps to: odradek quotas')
    .addHelpText('after', EXAMPLES)
    .action((topic: string, options: ConsumeOptions, command: Command) => {
      checkOptions(options)
      return withClusterToTheEnd(command, 'read', (session) => consume(session, topic, options))
    })
}

function checkOptions({ group, from, partition, groupProtocol }: ConsumeOptions): void {
  if (group === undefined && groupProtocol !== undefined) throw new InputError('--group-protocol needs --group')
  if (group === undefined) return
  if (partition !== undefined) throw new InputError('--partition and --group exclude each other: a group spreads the partitions itself')
  if (from?.kind === 'offset' || from?.kind === 'timestamp') {
    throw new InputError('a group goes on where it has committed: --from can only be earliest or latest, for partitions without a commit')
  }
}

async function consume(session: Session, topic: string, options: ConsumeOptions): Promise<void> {
  const { cluster } = session
  const { partition: chosen, group, follow } = options
  const news = offlineNews(cluster, (one) => one.topic === topic && chosen?.includes(one.partition) !== false)
  const ends = await waitFor(session, news, () => cluster.admin.listOffsets(topic, 'latest', lookup(options)))
  const consumer = cluster.consumer(consumerOptions(topic, options))
  if (group === undefined) await waitFor(session, news, () => assignAll(cluster, consumer, topic, options))
  try {
    await withNews(news, () => printAll(session, consumer, follow === true ? null : ends, options))
  } finally {
    await consumer.close()
  }
}

/** Of the partitions that are read: another one may have no leader. */
function lookup({ isolationLevel, partition }: ConsumeOptions): ListOffsetsOptions {
  return { isolationLevel, ...(partition === undefined ? {} : { partitions: partition }) }
}

function consumerOptions(topic: string, options: ConsumeOptions): ConsumerOptions<Uint8Array, Uint8Array> {
  const { group, from, isolationLevel, clientId, groupProtocol } = options
  const common = { isolationLevel, ...(clientId === undefined ? {} : { clientId }) }
  if (group === undefined) return common
  return {
    ...common,
    group,
    topics: [topic],
    autoCommit: false,
    autoOffsetReset: from?.kind === 'latest' ? 'latest' : 'earliest',
    ...(groupProtocol === undefined ? {} : { groupProtocol }),
  }
}

async function assignAll(cluster: Cluster, consumer: Consumer, topic: string, options: ConsumeOptions): Promise<void> {
  const { from, partition } = options
  const { partitions } = await cluster.admin.describeTopic(topic)
  const chosen = partition ?? partitions.map((description) => description.partition)
  const starts = await startOffsets(cluster, topic, from ?? { kind: 'earliest' }, lookup(options))
  checkRange(topic, partitions, chosen, starts)
  consumer.assign(chosen.map((number) => ({ topic, partition: number })))
  for (const number of chosen) {
    const offset = starts.get(number)
    if (offset !== undefined) consumer.seek({ topic, partition: number }, offset)
  }
}

/** An offset that is not there is refused here: a consumer would begin somewhere else without a word. */
function checkRange(
  topic: string,
  partitions: TopicDescription['partitions'],
  chosen: readonly number[],
  starts: ReadonlyMap<number, number>,
): void {
  for (const number of chosen) {
    const found = partitions.find(({ partition }) => partition === number)
    if (found === undefined)
      throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `${topic} has partitions 0 to ${partitions.length - 1}, not ${number}`)
    const { beginOffset, endOffset } = found
    const name = topicPartitionName(topic, number)
    if (beginOffset === null || endOffset === null) throw new KafkaError('LEADER_NOT_AVAILABLE', `${name} has no leader that answers`)
    const start = starts.get(number) ?? beginOffset
    if (start >= beginOffset && start <= endOffset) continue
    throw new KafkaError('OFFSET_OUT_OF_RANGE', `${name} has offsets ${beginOffset} to ${endOffset}, not ${start}`)
  }
}

/** A partition without a record of that age begins at its end. */
async function startOffsets(
  { admin }: Cluster,
  topic: string,
  from: StartPosition,
  options: ListOffsetsOptions,
): Promise<Map<number, number>> {
  if (from.kind === 'earliest' || from.kind === 'latest') return admin.listOffsets(topic, from.kind, options)
  const ends = await admin.listOffsets(topic, 'latest', options)
  if (from.kind === 'offset') return new Map([...ends.keys()].map((partition) => [partition, from.offset]))
  return new Map([...ends, ...(await admin.listOffsets(topic, from.timestamp, options))])
}

async function printAll(
  session: Session,
  consumer: Consumer,
  ends: Map<number, number> | null,
  { max = Infinity, group }: ConsumeOptions,
): Promise<void> {
  const begun = new Set<string>()
  const assignedBy = performance.now() + ASSIGNMENT_MILLIS_MAX
  let left = max
  while (left > 0 && !session.interrupted.aborted) {
    if (ends !== null && consumer.assignment().length === 0 && performance.now() > assignedBy)
      return say(`Other members of the group have all partitions: odradek groups describe ${group ?? ''}.`)
    const records = await pollOnce(consumer, session.interrupted)
    const printed = records.slice(0, left)
    await print(printed, session.asJson)
    if (group !== undefined) await commit(consumer, begun, records, printed.length)
    left -= printed.length
    if (ends !== null && isAtEnd(consumer, ends)) return
  }
}

async function pollOnce(consumer: Consumer, signal: AbortSignal): Promise<ConsumerRecord[]> {
  try {
    return await consumer.poll({ timeoutMillis: POLL_MILLIS, signal })
  } catch (error) {
    if (signal.aborted) return []
    throw error
  }
}

async function print(records: readonly ConsumerRecord[], asJson: boolean): Promise<void> {
  if (records.length === 0) return
  if (asJson) await write(records.map((record) => `${JSON.stringify(jsonOfRecord(record))}\n`).join(''))
  else await write(Buffer.concat(records.map(lineOfRecord)))
}

function isAtEnd(consumer: Consumer, ends: ReadonlyMap<number, number>): boolean {
  const assigned = consumer.assignment()
  return assigned.length > 0 && assigned.every((partition) => (consumer.position(partition) ?? -1) >= (ends.get(partition.partition) ?? 0))
}

/**
 * Commits what the group has seen when so many of these records are printed, and where each partition begins (`begun` has those that are committed): who begins at the
 * end must go on there.
 */
async function commit(consumer: Consumer, begun: Set<string>, records: readonly ConsumerRecord[], printedCount: number): Promise<void> {
  const next = new Map<string, OffsetToCommit>()
  records.forEach(({ topic, partition, offset }, index) => {
    const name = topicPartitionName(topic, partition)
    if (index < printedCount) next.set(name, { topic, partition, offset: offset + 1 })
    else if (!next.has(name)) next.set(name, { topic, partition, offset })
  })
  for (const { topic, partition } of consumer.assignment()) {
    const name = topicPartitionName(topic, partition)
    const offset = consumer.position({ topic, partition })
    if (!begun.has(name) && !next.has(name) && offset !== undefined) next.set(name, { topic, partition, offset })
  }
  for (const name of next.keys()) begun.add(name)
  if (next.size > 0) await consumer.commit([...next.values()])
}
