/**
 * A record as a line, in both directions: `key<TAB>value` or `value` for people, one JSON object for programs. What `consume` prints, `produce`
 * takes. Bytes that are not UTF-8 are `{ "base64": "…" }` in JSON, and pass as they are otherwise.
 */
import type { ConsumerRecord, ProducerRecord } from '../client/api.ts'
import { InputError } from './failure.ts'

const TAB = 0x09
const FIELDS: ReadonlySet<string> = new Set(['topic', 'key', 'value', 'headers', 'partition', 'timestamp', 'offset'])

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** `key<TAB>value`, or a value without a key. */
export function recordOfLine(topic: string, line: Uint8Array): ProducerRecord {
  const tab = line.indexOf(TAB)
  return tab < 0 ? { topic, key: null, value: line } : { topic, key: line.subarray(0, tab), value: line.subarray(tab + 1) }
}

/**
 * `{ key, value, headers, partition, timestamp }`: strings are UTF-8, null is null, other values become JSON text. `topic` and `offset`, which
 * `consume` prints, are ignored; anything else is a mistake. Throws InputError with the number of the line.
 */
export function recordOfJson(topic: string, line: Uint8Array, lineNumber: number): ProducerRecord {
  const input = parseObject(line, lineNumber)
  const unknown = Object.keys(input).find((field) => !FIELDS.has(field))
  if (unknown !== undefined)
    throw new InputError(`line ${lineNumber}: a record has no field '${unknown}'; it has key, value, headers, partition, timestamp`)
  if (input['value'] === undefined) throw new InputError(`line ${lineNumber}: the record has no value; null is a tombstone`)
  const partition = wholeOrUndefined(input, 'partition', lineNumber)
  const timestamp = wholeOrUndefined(input, 'timestamp', lineNumber)
  return {
    topic,
    key: bytesOf(input['key'] ?? null),
    value: bytesOf(input['value']),
    ...(input['headers'] === undefined ? {} : { headers: headersOf(input['headers'], lineNumber) }),
    ...(partition === undefined ? {} : { partition }),
    ...(timestamp === undefined ? {} : { timestamp }),
  }
}

/** What `recordOfLine` would take: value, or key, tab and value; with the line's end. A tombstone prints as an empty value. */
export function lineOfRecord({ key, value }: ConsumerRecord): Uint8Array {
  const parts = key === null ? [] : [key, Uint8Array.of(TAB)]
  return Buffer.concat([...parts, value ?? new Uint8Array(0), Uint8Array.of(0x0a)])
}

/** What `recordOfJson` would take, with topic and offset. */
export function jsonOfRecord(record: ConsumerRecord): Record<string, unknown> {
  const { topic, partition, offset, timestamp, key, value, headers } = record
  const shown = Object.fromEntries(headers.map((header) => [header.key, jsonOfBytes(header.value)]))
  return { topic, partition, offset, timestamp, key: jsonOfBytes(key), value: jsonOfBytes(value), headers: shown }
}

function parseObject(line: Uint8Array, lineNumber: number): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(strictUtf8.decode(line))
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>
  } catch (error) {
    throw new InputError(`line ${lineNumber} is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  throw new InputError(`line ${lineNumber} is not a JSON object such as {"key":"alice","value":"book"}`)
}

function wholeOrUndefined(input: Readonly<Record<string, unknown>>, field: string, lineNumber: number): number | undefined {
  const value = input[field]
  if (value === undefined || (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0)) return value
  throw new InputError(`line ${lineNumber}: ${field} must be a whole number from 0`)
}

function headersOf(value: unknown, lineNumber: number): Record<string, Uint8Array | null> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError(`line ${lineNumber}: headers must be an object`)
  return Object.fromEntries(Object.entries(value).map(([name, header]) => [name, bytesOf(header)]))
}

function bytesOf(value: unknown): Uint8Array | null {
  if (value === null) return null
  if (typeof value === 'string') return Buffer.from(value, 'utf8')
  const base64 = base64Of(value)
  return base64 === null ? Buffer.from(JSON.stringify(value), 'utf8') : Buffer.from(base64, 'base64')
}

function base64Of(value: unknown): string | null {
  if (typeof value !== 'object' || value === null || !('base64' in value)) return null
  return Object.keys(value).length === 1 && typeof value.base64 === 'string' ? value.base64 : null
}

function jsonOfBytes(bytes: Uint8Array | null): string | { readonly base64: string } | null {
  if (bytes === null) return null
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') }
  }
}
