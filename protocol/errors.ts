// Errors: look up Kafka's error table by code or by name, and the one Error class that the edge throws.
// Inside the pure rooms an expected failure is a value (an ErrorName or a code), never a throw; see error-table.ts for the data.

import { ERROR_TABLE } from './error-table.ts'

/** The name of an error in Kafka's words, for example `'UNKNOWN_TOPIC_OR_PARTITION'`. */
export type ErrorName = keyof typeof ERROR_TABLE

/** The number of an error: Kafka's i16 wire code (-1..133), or one of our own (<= -1000, never on the wire). */
export type ErrorCode = number

/** One row of the error table. `retriable` says that the same request may succeed later, unchanged. */
export type ErrorEntry = {
  readonly code: ErrorCode
  readonly name: ErrorName
  readonly retriable: boolean
  readonly message: string
}

/** The code that means success. */
export const NONE: ErrorCode = 0

/** All rows of the error table, in the order of Kafka's codes, our own last. */
export const allErrors: readonly ErrorEntry[] = (Object.keys(ERROR_TABLE) as ErrorName[]).map(toEntry)

const entryOfCode: ReadonlyMap<ErrorCode, ErrorEntry> = new Map(allErrors.map((entry) => [entry.code, entry]))

/** The row of a code; a code that we do not know (from a newer broker) reads as UNKNOWN_SERVER_ERROR. */
export function errorOf(code: ErrorCode): ErrorEntry {
  return entryOfCode.get(code) ?? toEntry('UNKNOWN_SERVER_ERROR')
}

/** The code of a name. */
export function codeOf(name: ErrorName): ErrorCode {
  return ERROR_TABLE[name][0]
}

/** Whether the same request may succeed later, unchanged. */
export function isRetriable(name: ErrorName): boolean {
  return ERROR_TABLE[name][1]
}

/** Whether a text is the name of a row of the error table. */
export function isErrorName(text: string): text is ErrorName {
  return Object.hasOwn(ERROR_TABLE, text)
}

/** What a KafkaError may be given beyond its name and message. */
export type KafkaErrorOptions = { readonly cause?: unknown; readonly retriable?: boolean }

/** The error that every public call of the edge throws; `name` is Kafka's name for it, `message` says what happened and where. */
export class KafkaError extends Error {
  override readonly name: ErrorName
  readonly code: ErrorCode
  /** Whether the same call may succeed later, unchanged; the table's answer unless the thrower knew better. */
  readonly retriable: boolean

  constructor(name: ErrorName, message?: string, options?: KafkaErrorOptions) {
    super(message ?? ERROR_TABLE[name][2], options?.cause === undefined ? undefined : { cause: options.cause })
    this.name = name
    this.code = codeOf(name)
    this.retriable = options?.retriable ?? isRetriable(name)
  }
}

function toEntry(name: ErrorName): ErrorEntry {
  const [code, retriable, message] = ERROR_TABLE[name]
  return { code, name, retriable, message }
}
