// A coordinator of share groups, and the members, leaders and logs that it talks to, as a test plays them.

import type { Effect } from '../../actors/effect.ts'
import { actor } from '../../actors/shares.ts'
import type { SharesConfig, SharesState } from '../../actors/shares-state.ts'
import { decodeShareRecord, encodeShareKey, encodeShareValue } from '../../coordinator/share/share-record.ts'
import type { ShareRecord } from '../../coordinator/share/share-record.ts'
import { appendRequest, openStateLog } from '../../coordinator/state-log.ts'
import { codeOf } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import type { FetchResponse } from '../../protocol/messages/fetch.ts'
import type { ShareAcknowledgement, ShareFetchRequest } from '../../protocol/messages/share.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import { fetched } from '../coordinator/support.ts'
import { topicsAnswer } from './metadata.ts'
import { sentOne, stageOf } from './stage.ts'
import type { Stage } from './stage.ts'

const config: SharesConfig = {
  partition: 3,
  topicId: 2,
  leaderEpoch: 4,
  coordinatorNodes: [0, 1],
  leaseUntil: Infinity,
  trustMillis: 0,
  expectMillis: 0,
}

/** Who asks. */
const MEMBER = { node: -1, actor: 'requests' }

/** A coordinator that has not begun. */
export function sharesStage(changes: Partial<SharesConfig> = {}): Stage<SharesState> {
  return stageOf(actor, { node: 1, actor: 'shares/3' }, { ...config, ...changes })
}

/** Hands over what the log holds, to one that has begun, or begins anew; the effects. */
export function load(stage: Stage<SharesState>, begun: readonly Effect[], ...kept: readonly ShareRecord[]): Effect[] {
  const { correlationId } = sentOne(written(stage, begun), 'fetch')
  const records = kept.map((one) => ({ key: encodeShareKey(one), value: one.kept === null ? null : encodeShareValue(one.kept) }))
  const log = openStateLog(0, 'o', { partition: 0, topicId: 0, leaderEpoch: 0 })
  const bytes = records.length === 0 ? null : appendRequest(log, 1, records, 0).records
  return stage.deliver(fetched(bytes, records.length, { correlationId }))
}

/** One that has read its log. */
export function active(...kept: readonly ShareRecord[]): Stage<SharesState> {
  const stage = sharesStage()
  load(stage, stage.deliver({ kind: 'started' }), ...kept)
  return stage
}

/** The log takes the write among the effects, or refuses it. */
export function written(stage: Stage<SharesState>, effects: readonly Effect[], error?: ErrorName): Effect[] {
  const { correlationId } = sentOne(effects, 'produce')
  const errorCode = error === undefined ? 0 : codeOf(error)
  const offsets = { baseOffset: 0, logAppendTime: -1, logStartOffset: 0 }
  return stage.deliver(
    { kind: 'produceResponse', correlationId, errorCode, errorMessage: null, ...offsets },
    { node: 1, actor: 'replica/__share_group_state-3' },
  )
}

/** What the write among the effects says. */
export function recordsOf(effects: readonly Effect[]): (ShareRecord | null)[] {
  return [...readRecords(sentOne(effects, 'produce').records, 0)].map(({ key, value }) => decodeShareRecord(key, value))
}

/** A member asks. */
export function ask(stage: Stage<SharesState>, memberId: string, sessionEpoch: number, changes: Partial<ShareFetchRequest> = {}): Effect[] {
  const request: ShareFetchRequest = {
    kind: 'shareFetch',
    correlationId: sessionEpoch,
    group: 'g',
    memberId,
    sessionEpoch,
    topics: ['orders'],
    reset: 'earliest',
    isolationLevel: 'read_uncommitted',
    lockMillis: 1000,
    deliveryCountLimit: 5,
    maxRecords: 10,
    maxWaitMillis: 500,
    acknowledgements: [],
    leaves: false,
    ...changes,
  }
  return stage.deliver(request, MEMBER)
}

/** The coordinator of the cluster says who leads the one partition of `orders`. */
export function leaders(stage: Stage<SharesState>, nodes: readonly number[] = [2], metadataOffset = 0): Effect[] {
  return stage.deliver(topicsAnswer({ orders: nodes }, metadataOffset), { node: 0, actor: 'coordinator' })
}

/** The leader answers the fetch among the effects: it ends there. */
export function ends(
  stage: Stage<SharesState>,
  effects: readonly Effect[],
  highWatermark: number,
  changes: Partial<FetchResponse> = {},
): Effect[] {
  const { correlationId } = sentOne(effects, 'fetch')
  return stage.deliver(fetched(null, highWatermark, { correlationId, ...changes }), { node: 2, actor: 'replica/orders-0' })
}

/** Member `a` has asked for records of a partition that ends there, and they are being written for it. */
export function given(stage: Stage<SharesState>, highWatermark: number, changes: Partial<ShareFetchRequest> = {}): Effect[] {
  ask(stage, 'a', 1, changes)
  return ends(stage, leaders(stage), highWatermark)
}

/** A range of `orders`. */
export function range(first: number, last: number): Omit<ShareAcknowledgement, 'type'> {
  return { topic: 'orders', topicId: 5, partition: 0, first, last }
}
