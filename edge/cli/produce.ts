/**
 * `odradek produce`: one record per line of the standard input. It succeeds when all of them are acknowledged; whatever happens, it says how many were. The first record
 * that fails ends the input: what follows it is not written, but for what was on its way.
 */
import { Command, Option } from 'commander'
import type { Producer, ProducerRecord } from '../client/api.ts'
import { COMPRESSIONS } from '../../protocol/compression.ts'
import type { Compression } from '../../protocol/compression.ts'
import type { Acks } from '../../protocol/messages/produce.ts'
import { linesOf } from './lines.ts'
import { countOf, say, writeJson } from './output.ts'
import { parseAcks } from './parse.ts'
import { recordOfJson, recordOfLine } from './record-line.ts'
import { EXIT_INTERRUPTED, waitFor, withClusterToTheEnd, withGlobals } from './session.ts'
import type { Session } from './session.ts'
import { offlineNews, withNews } from './waiting.ts'

const EXAMPLES = `
Lines are KEY<TAB>VALUE, or VALUE alone; an empty line is a record with an empty value. With --json each line is an object:
  {"key":"alice","value":"book","headers":{"from":"web"},"partition":0,"timestamp":1517966773840}
Only value is needed; null is a tombstone, and what is not text becomes JSON text. Empty lines are none.

Examples:
  printf 'alice\\tbook\\n' | odradek produce orders
  odradek produce orders --acks none < lines.txt
  odradek consume orders --json | odradek --directory ./copy produce orders --json`

/** Lines come one by one: a batch waits so long for more. */
const LINGER_MILLIS = 5

/** What has become of the records so far. */
interface Written {
  sent: number
  count: number
  failure: Error | null
}

interface ProduceOptions {
  readonly acks: Acks
  readonly compression: Compression
  readonly clientId?: string
}

/** The command. */
export function produceCommand(): Command {
  return withGlobals(new Command('produce'))
    .description('write records from the standard input, one per line')
    .argument('<topic>')
    .option('--acks <acks>', 'what to wait for: quorum, leader, none, or how many replicas', parseAcks, 'quorum')
    .addOption(new Option('--compression <codec>', 'how batches are compressed').choices(COMPRESSIONS).default('none'))
    .option('--client-id <name>', 'whose quota it keeps to: odradek quotas')
    .addHelpText('after', EXAMPLES)
    .action((topic: string, options: ProduceOptions, command: Command) =>
      withClusterToTheEnd(command, 'read', (session) => produce(session, topic, options)),
    )
}

async function produce(session: Session, topic: string, { acks, compression, clientId }: ProduceOptions): Promise<void> {
  const { cluster, interrupted, asJson } = session
  const news = offlineNews(cluster, (one) => one.topic === topic)
  await waitFor(session, news, () => cluster.admin.describeTopic(topic))
  if (process.stdin.isTTY) say('One record per line; Ctrl-D ends.')
  const producer = cluster.producer({ acks, compression, lingerMillis: LINGER_MILLIS, ...(clientId === undefined ? {} : { clientId }) })
  const written: Written = { sent: 0, count: 0, failure: null }
  try {
    // Who has not typed anything yet waits for nothing.
    const newsOfSent = async (): Promise<string | null> => (written.sent > written.count ? news() : null)
    await withNews(newsOfSent, () => sendAll(producer, recordsOf(topic, asJson, interrupted), written))
    if (interrupted.aborted) process.exitCode = EXIT_INTERRUPTED
  } finally {
    await producer.close()
    const verb = acks === 'none' ? 'sent' : 'acknowledged'
    await (asJson ? writeJson({ topic, [verb]: written.count }) : say(`${countOf(written.count, 'record')} ${verb}`))
  }
  if (written.failure !== null) throw written.failure
}

/** A bad line, or a record that fails, ends the input, but what came before it is written first. */
async function sendAll(producer: Producer, records: AsyncIterable<ProducerRecord>, written: Written): Promise<void> {
  try {
    for await (const record of records) {
      written.sent += 1
      void producer.send(record).then(
        () => (written.count += 1),
        (error: Error) => (written.failure ??= error),
      )
      await producer.drained()
      if (written.failure !== null) return
    }
  } finally {
    await producer.flush()
  }
}

async function* recordsOf(topic: string, asJson: boolean, interrupted: AbortSignal): AsyncGenerator<ProducerRecord> {
  const stop = (): void => void process.stdin.destroy()
  interrupted.addEventListener('abort', stop, { once: true })
  let lineNumber = 0
  try {
    for await (const line of linesOf(process.stdin)) {
      lineNumber += 1
      if (!asJson) yield recordOfLine(topic, line)
      else if (line.length > 0) yield recordOfJson(topic, line, lineNumber)
    }
  } catch (error) {
    if (!interrupted.aborted) throw error
  } finally {
    interrupted.removeEventListener('abort', stop)
  }
}
