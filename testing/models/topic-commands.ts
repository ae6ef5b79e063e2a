/**
 * Commands for a topic: what writers, readers, administrators and accidents do to it, as fast-check draws them. Each does it to the real topic, notes in the model what came of
 * it, and reading compares the two.
 */
import type * as FastCheck from 'fast-check'
import { KafkaError } from '../../protocol/errors.ts'
import { PARTITIONS, recordArbitrary } from '../arbitraries.ts'
import type { DrawnRecord, FastCheckApi } from '../arbitraries.ts'
import { LawError } from '../laws.ts'
import { command, isUnanswered, passing } from './command.ts'
import { mishapCommands } from './mishaps.ts'
import type { MishapOptions } from './mishaps.ts'
import { numbered } from './numbered-record.ts'
import { checkRead, noteAborted, noteDeleted, noteMaybeDeleted, noteUncertain, noteWritten } from './topic-model.ts'
import type { TopicModel } from './topic-model.ts'
import type { TopicReal } from './topic-under-test.ts'

/** A command for a topic. */
export type TopicCommand = FastCheck.AsyncCommand<TopicModel, TopicReal>

/** Which commands are drawn, and from what. */
export interface TopicCommandsOptions extends MishapOptions {
  /** Partitions of the topic. Default 2. */
  readonly partitions?: number
  /** Default: `recordArbitrary`. */
  readonly records?: FastCheck.Arbitrary<DrawnRecord>
  /** Whether some records are sent in transactions, which are committed or aborted. Default true. */
  readonly transactions?: boolean
  /** Whether records are deleted. Default true. */
  readonly deletions?: boolean
}

/** Records of one command, at most. */
const RECORDS_MAX = 4

/** A record that was acknowledged, and cannot be read for so long, is lost: longer than a transaction is open, and than faults last. */
const MISSING_MILLIS = 120_000

/** How soon it is looked for again: more and more seldom. */
const LOOK_MILLIS_MIN = 100
const LOOK_MILLIS_MAX = 15_000

/** Commands for `fc.commands`, beside others of the same model. Whoever runs them ends with `checkTopic`, which reads once more. */
export function topicCommands(fc: FastCheckApi, options: TopicCommandsOptions = {}): FastCheck.Arbitrary<TopicCommand>[] {
  const { partitions = PARTITIONS, records = recordArbitrary(fc, { partitions }), transactions = true, deletions = true } = options
  const some = fc.array(records, { minLength: 1, maxLength: RECORDS_MAX })
  const named = (drawn: readonly DrawnRecord[]): string => fc.stringify(drawn)
  const send = some.map((drawn) =>
    command<TopicModel, TopicReal>(`send(${named(drawn)})`, (model, real) => sendRecords(model, real, drawn)),
  )
  const transaction = fc
    .tuple(some, fc.constantFrom('commit' as const, 'abort' as const))
    .map(([drawn, end]) =>
      command<TopicModel, TopicReal>(`${end}(${named(drawn)})`, (model, real) => runTransaction(model, real, drawn, end)),
    )
  const deletion = fc.tuple(fc.nat(partitions - 1), fc.nat(9)).map(([partition, nth]) => deleteCommand(partition, nth))
  return [
    send,
    fc.constant(null).map(() => command('read()', checkTopic)),
    ...(transactions ? [transaction] : []),
    ...(deletions ? [deletion] : []),
    ...mishapCommands<TopicModel, TopicReal>(fc, options),
  ]
}

/** Reads all partitions from their beginning, and compares them with the model; throws a LawError where they differ. */
export async function checkTopic(model: TopicModel, real: TopicReal): Promise<void> {
  const { clock } = real.context
  const deadline = clock.uptime + MISSING_MILLIS
  for (let pause = LOOK_MILLIS_MIN; ; pause = Math.min(pause * 2, LOOK_MILLIS_MAX)) {
    const seen = await real.read().catch(passing)
    const missing = seen instanceof KafkaError ? `it cannot be read: ${seen.message}` : checkRead(model, seen)
    if (missing === null) return
    if (clock.uptime >= deadline) throw new LawError(missing)
    await clock.sleep(pause)
  }
}

async function sendRecords(model: TopicModel, real: TopicReal, drawn: readonly DrawnRecord[]): Promise<void> {
  const records = numbered(model, drawn)
  try {
    noteWritten(model, records, await real.send(records))
  } catch (error) {
    if (!isUnanswered(error)) throw error
    noteUncertain(model, records, { kind: 'sent', places: [] })
  }
}

async function runTransaction(model: TopicModel, real: TopicReal, drawn: readonly DrawnRecord[], end: 'commit' | 'abort'): Promise<void> {
  const records = numbered(model, drawn)
  const { outcome, places } = await real.transaction(records, end)
  if (outcome === 'committed') noteWritten(model, records, places)
  else if (outcome === 'aborted') noteAborted(model, records)
  else noteUncertain(model, records, { kind: 'transaction', places })
}

/** Deletes all below the nth record of a partition, or all there is. */
function deleteCommand(partition: number, nth: number): TopicCommand {
  const offsetOf = ({ partitions }: TopicModel): number => {
    const records = partitions[partition]?.records ?? []
    return records[nth]?.offset ?? (records.at(-1)?.offset ?? -1) + 1
  }
  const run = async (model: TopicModel, real: TopicReal): Promise<void> => {
    const beforeOffset = offsetOf(model)
    try {
      await real.deleteRecords(partition, beforeOffset)
      noteDeleted(model, partition, beforeOffset)
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      noteMaybeDeleted(model, partition, beforeOffset)
    }
  }
  return command(`delete(partition ${partition}, below record ${nth})`, run, (model) => offsetOf(model as TopicModel) > 0)
}
