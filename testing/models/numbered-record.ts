/**
 * Records that are known again when they are read: each has a number, which travels in a header, so that keys and values are whatever was drawn.
 */
import type { ConsumerRecord, ProducerRecord } from '../../edge/client/api.ts'
import type { DrawnRecord } from '../arbitraries.ts'

/** A drawn record with its number, from 1. */
export interface NumberedRecord extends DrawnRecord {
  readonly number: number
}

/** Gives drawn records their numbers. */
export function numbered(model: { nextNumber: number }, records: readonly DrawnRecord[]): NumberedRecord[] {
  return records.map((record) => ({ ...record, number: model.nextNumber++ }))
}

/** As a producer takes them. */
export function toSend(topic: string, records: readonly NumberedRecord[]): ProducerRecord<string, string>[] {
  return records.map(({ number, ...record }) => ({ topic, ...record, headers: { number: String(number) } }))
}

/** The number of a record that was read; 0 if it has none. */
export function numberOf({ headers }: Pick<ConsumerRecord, 'headers'>): number {
  const value = headers.find(({ key }) => key === 'number')?.value
  return value === undefined || value === null ? 0 : Number(new TextDecoder().decode(value))
}

/** A record, in the words of an error. */
export function nameOf({ number, key, value }: Pick<NumberedRecord, 'number' | 'key' | 'value'>): string {
  return `record ${number} (key ${JSON.stringify(key)}, value ${JSON.stringify(value)})`
}
