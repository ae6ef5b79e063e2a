// Offsets in transactions: they count when the transaction is committed, nobody is told what they may replace, and the later record wins.

import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import type { GroupsState } from '../../actors/groups-state.ts'
import { codeOf } from '../../protocol/errors.ts'
import type { TopicOffset } from '../../protocol/messages/group.ts'
import { RecordBatchBuilder } from '../../protocol/record-batch-builder.ts'
import * as batch from '../../protocol/record-batch.ts'
import { fetched } from '../coordinator/support.ts'
import { ask, commit, commitOf, groupIn, groupsStage, loaded, logOf, withMember } from './groups-support.ts'
import { topicsAnswer } from './metadata.ts'
import { sent, sentOne } from './stage.ts'
import type { Stage } from './stage.ts'

const TRANSACTION = { transactionalId: 'x', transactorNode: 0, transactorPartition: 1 }

function transactional(
  stage: Stage<GroupsState>,
  correlationId: number,
  offsets: readonly TopicOffset[],
  changes: { readonly member?: { memberId: string; memberEpoch: number } | null; readonly producerEpoch?: number } = {},
): Effect[] {
  const { member = null, producerEpoch = 0 } = changes
  return stage.deliver({
    kind: 'transactionalOffsetCommit',
    correlationId,
    transaction: TRANSACTION,
    producerId: 42,
    producerEpoch,
    group: 'g',
    member,
    offsets,
  })
}

function writtenAt(stage: Stage<GroupsState>, effects: readonly Effect[], baseOffset: number, errorCode = 0): Effect[] {
  const { correlationId } = sentOne(effects, 'produce')
  const answered = { correlationId, errorCode, errorMessage: null, baseOffset, logAppendTime: -1, logStartOffset: 0 }
  return stage.deliver({ kind: 'produceResponse', ...answered })
}

function mark(stage: Stage<GroupsState>, committed: boolean, offset: number): void {
  stage.deliver({ kind: 'transactionMarked', producerId: 42, producerEpoch: 1, committed, offset })
}

function refusal(effects: readonly Effect[]): number[] {
  return sent(effects, 'offsetCommitResponse').map(({ errorCode }) => errorCode)
}

/** A batch as the log has it. */
function inLog(records: Uint8Array, baseOffset: number): Uint8Array {
  const copy = records.slice()
  batch.stampBaseOffset(copy, 0, baseOffset)
  return copy
}

function marker(baseOffset: number, type: 0 | 1): Uint8Array {
  const builder = new RecordBatchBuilder(1000)
  builder.append(0, new Uint8Array([0, 0, 0, type]), new Uint8Array(6), undefined)
  const header = { producerId: 42, producerEpoch: 1, baseSequence: -1, transactional: true, control: true }
  return inLog(builder.finish(header), baseOffset)
}

describe('a commit in a transaction', () => {
  test('is written under the epoch of its producer, and counts with the marker', () => {
    const stage = loaded()
    const effects = transactional(stage, 1, [commitOf(0, 7)])
    const { records, transaction } = sentOne(effects, 'produce')
    expect(transaction).toEqual(TRANSACTION)
    expect(batch.isTransactional(records, 0)).toBe(true)
    expect([batch.producerId(records, 0), batch.producerEpoch(records, 0), batch.baseSequence(records, 0)]).toEqual([42, 0, -1])
    expect(ask(stage)[0]).toMatch(/UNSTABLE_OFFSET_COMMIT/)
    expect(refusal(writtenAt(stage, effects, 10))).toEqual([0])
    expect(ask(stage)[0]).toMatch(/UNSTABLE_OFFSET_COMMIT/)
    mark(stage, true, 11)
    expect(ask(stage)[0]).toMatch(/t-0.*7$/)
  })

  test('is refused without the id of its topic: it would count for whatever has that name later', () => {
    const stage = loaded()
    const effects = transactional(stage, 1, [commitOf(0, 7), commitOf(1, 7, -1)])
    expect([refusal(effects), sent(effects, 'produce')]).toEqual([[codeOf('INVALID_REQUEST')], []])
    expect(stage.state.groups.size).toBe(0)
  })

  test('never counts when it is aborted', () => {
    const stage = loaded()
    writtenAt(stage, commit(stage, 1, [commitOf(0, 3)]), 9)
    writtenAt(stage, transactional(stage, 1, [commitOf(0, 7)]), 10)
    mark(stage, false, 11)
    expect(groupIn(stage).offsets.get('t-0')?.offset).toBe(3)
    expect(groupIn(stage).unstable).toBeNull()
  })

  test('leaves no group behind when it is aborted, or refused by the log', () => {
    const stage = loaded()
    writtenAt(stage, transactional(stage, 1, [commitOf(0, 7)]), 10)
    mark(stage, false, 11)
    expect(stage.state.groups.size).toBe(0)
    const effects = transactional(stage, 2, [commitOf(0, 7)], { producerEpoch: 1 })
    expect(refusal(writtenAt(stage, effects, -1, codeOf('INVALID_PRODUCER_EPOCH')))).toEqual([codeOf('INVALID_PRODUCER_EPOCH')])
    expect([stage.state.groups.size, stage.state.transactions.size]).toEqual([0, 0])
  })

  test('gives way to one whose record is later, whichever is decided first (KAFKA-14505)', () => {
    const stage = loaded()
    writtenAt(stage, transactional(stage, 1, [commitOf(0, 7)]), 10)
    writtenAt(stage, commit(stage, 1, [commitOf(0, 5)]), 11)
    mark(stage, true, 12)
    expect(groupIn(stage).offsets.get('t-0')?.offset).toBe(5)
  })

  test('that comes twice is written once', () => {
    const stage = loaded()
    expect(sent(transactional(stage, 4, [commitOf(0, 7)]), 'produce')).toHaveLength(1)
    expect(transactional(stage, 4, [commitOf(0, 7)])).toEqual([])
    expect(transactional(stage, 3, [commitOf(0, 6)])).toEqual([])
  })

  test('of the next epoch waits for nothing: the marker decides what was before', () => {
    const stage = loaded()
    writtenAt(stage, transactional(stage, 1, [commitOf(0, 7)]), 10)
    const next = transactional(stage, 2, [commitOf(0, 8)], { producerEpoch: 1 })
    mark(stage, true, 11)
    writtenAt(stage, next, 12)
    expect(groupIn(stage).offsets.get('t-0')?.offset).toBe(7)
    expect(groupIn(stage).unstable?.get('t-0')).toBe(1)
    expect(transactional(stage, 3, [commitOf(0, 9)], { producerEpoch: 0 })).toEqual([])
  })

  test('keeps the group and its offsets from being deleted', () => {
    const stage = loaded()
    writtenAt(stage, transactional(stage, 1, [commitOf(0, 7)]), 10)
    const effects = stage.deliver({ kind: 'deleteGroup', correlationId: 5, group: 'g' })
    expect(sentOne(effects, 'groupDeletionResponse').errorCode).toBe(codeOf('UNSTABLE_OFFSET_COMMIT'))
  })
})

describe('whoever commits in a transaction', () => {
  test('holds the partitions under its present epoch (KIP-447)', () => {
    const { stage, epoch } = withMember()
    const by = (memberId: string, memberEpoch: number): number[] =>
      refusal(transactional(stage, 1, [commitOf(0, 7)], { member: { memberId, memberEpoch } }))
    expect(by('stranger', epoch)).toEqual([codeOf('UNKNOWN_MEMBER_ID')])
    expect(by('m', epoch - 1)).toEqual([codeOf('STALE_MEMBER_EPOCH')])
    expect(refusal(transactional(stage, 1, [commitOf(0, 7)]))).toEqual([codeOf('UNKNOWN_MEMBER_ID')])
    expect(refusal(transactional(stage, 1, [commitOf(9, 7)], { member: { memberId: 'm', memberEpoch: epoch } }))).toEqual([
      codeOf('FENCED_MEMBER_EPOCH'),
    ])
    expect(sent(transactional(stage, 1, [commitOf(0, 7)], { member: { memberId: 'm', memberEpoch: epoch } }), 'produce')).toHaveLength(1)
  })
})

describe('loading', () => {
  const open = sentOne(transactional(loaded(), 1, [commitOf(0, 7), commitOf(1, 8)]), 'produce').records

  test.each([
    [1, [7, 8]],
    [0, [1, undefined]],
  ] as const)('takes what a marker (%i) has decided, and nothing else', (type, offsets) => {
    const plain = inLog(logOf(['g', commitOf(0, 1)]), 0)
    const stage = loaded(Buffer.concat([plain, inLog(open, 1), marker(3, type)]), 4)
    expect([0, 1].map((partition) => groupIn(stage).offsets.get(`t-${partition}`)?.offset)).toEqual(offsets)
    expect(groupIn(stage).unstable).toBeNull()
  })

  test('leaves what is open to the marker that comes', () => {
    const stage = loaded(inLog(open, 0), 2)
    expect([...(groupIn(stage).unstable?.keys() ?? [])]).toEqual(['t-0', 't-1'])
    mark(stage, true, 2)
    expect(groupIn(stage).offsets.get('t-1')?.offset).toBe(8)
  })

  test('takes a marker once that is heard of while the log is being read', () => {
    const stage = groupsStage()
    stage.deliver({ kind: 'started' })
    // The first is in the part that is read, the second is not: an epoch later, it aborts.
    mark(stage, true, 2)
    mark(stage, false, 5)
    const next = inLog(open, 3)
    stage.deliver(fetched(Buffer.concat([inLog(open, 0), marker(2, 1), next]), 5))
    stage.deliver(topicsAnswer({ t: [0, 0] }))
    expect(groupIn(stage).offsets.get('t-0')).toMatchObject({ offset: 7, recordOffset: 0 })
    expect(groupIn(stage).unstable).toBeNull()
  })
})
