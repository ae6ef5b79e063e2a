// What the tests of the coordinator share: an image made by records, and answers of a partition that holds a state log.

import fc from 'fast-check'
import { applyRecord, emptyImage } from '../../coordinator/metadata.ts'
import type { MetadataImage, MetadataRecord } from '../../coordinator/metadata.ts'
import { NONE } from '../../protocol/errors.ts'
import type { FetchResponse } from '../../protocol/messages/fetch.ts'

// The same examples in every run: a failure is the change's, never the day's. ODRADEK_SEED tries others.
fc.configureGlobal({ seed: Number(process.env['ODRADEK_SEED'] ?? 1883) })

/** A topic on one node. */
export function created(
  name: string,
  topicId: number,
  leaders: readonly number[] = [0],
  configs: Record<string, unknown> = {},
): MetadataRecord {
  return { type: 'topicCreated', name, topicId, leaders, configs }
}

/** The image after these records. */
export function imageOf(...records: readonly MetadataRecord[]): MetadataImage {
  const image = emptyImage()
  for (const record of records) applyRecord(image, record)
  return image
}

/** What a replica answers to a fetch that found these bytes. */
export function fetched(records: Uint8Array | null, highWatermark: number, changes: Partial<FetchResponse> = {}): FetchResponse {
  return {
    kind: 'fetchResponse',
    correlationId: 1,
    errorCode: NONE,
    errorMessage: null,
    highWatermark,
    logStartOffset: 0,
    range: null,
    records,
    ...changes,
  }
}
