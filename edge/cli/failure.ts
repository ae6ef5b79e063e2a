/**
 * What a person is told when a command fails: Kafka's name of the error, the sentence that says what happened and where, and what to do next.
 * A failure without a name is a bug, and is shown with its stack.
 */
import { KafkaError } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'

/** A mistake in what was typed or fed in, found by the command itself. */
export class InputError extends Error {
  override readonly name = 'InputError'
}

const ADVICE: Readonly<Partial<Record<ErrorName, string>>> = {
  UNKNOWN_TOPIC_OR_PARTITION: 'See what there is: odradek topics list. Make it: odradek topics create NAME.',
  TOPIC_ALREADY_EXISTS: 'Look at it: odradek topics describe NAME. Or create it only where it is missing: --if-not-exists.',
  INVALID_TOPIC_EXCEPTION: "A topic of yours has letters, digits, '.', '_' and '-' in its name, up to 249, and does not begin with '__'.",
  INVALID_CONFIG: 'See all settings: odradek topics create --help.',
  INVALID_PARTITIONS: 'Partitions can only be added: name the new total.',
  MESSAGE_TOO_LARGE: 'Send smaller records, or allow larger ones: odradek topics alter NAME --config maxMessageBytes=BYTES.',
  OFFSET_OUT_OF_RANGE: 'See which offsets there are: odradek topics describe NAME. Or begin with --from earliest.',
  GROUP_ID_NOT_FOUND: 'See which groups there are: odradek groups list, or odradek share-groups list.',
  TRANSACTIONAL_ID_NOT_FOUND: 'See which there are: odradek transactions list.',
  CONCURRENT_TRANSACTIONS: 'See how long it is open, and when it times out: odradek transactions list.',
  NON_EMPTY_GROUP: 'Stop the members of the group first: odradek groups describe GROUP.',
  DIRECTORY_LOCKED: 'End the other process first, or name another directory with --directory.',
  UNSUPPORTED_FORMAT_VERSION: 'Update odradek: npm install odradek@latest.',
  DISK_FULL: 'Make room; nothing that was acknowledged is lost.',
  READ_ONLY_DIRECTORY: 'Name a directory that you may write to with --directory.',
  CORRUPT_MESSAGE: 'The bytes on the disk are damaged: begin behind them with --from OFFSET.',
}

/** The whole message on the standard error; one JSON object for programs. */
export function describeFailure(error: unknown, asJson: boolean): string {
  if (error instanceof KafkaError) return asJson ? failureJson(error) : withAdvice(error)
  if (error instanceof InputError) return asJson ? JSON.stringify({ error: { name: error.name, message: error.message } }) : error.message
  return error instanceof Error ? `unexpected: ${error.stack ?? error.message}` : `unexpected: ${String(error)}`
}

function failureJson({ name, code, retriable, message }: KafkaError): string {
  return JSON.stringify({ error: { name, code, retriable, message } })
}

function withAdvice(error: KafkaError): string {
  const advice = ADVICE[error.name] ?? (error.retriable ? 'It may work when tried again.' : null)
  const first = `${error.name}: ${error.message}`
  return advice === null ? first : `${first}\n${advice}`
}
