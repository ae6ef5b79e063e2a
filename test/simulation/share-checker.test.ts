import { describe, expect, test } from 'vitest'
import type { SharesState } from '../../actors/shares-state.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { AcquiredRange, ShareAcknowledgement, ShareFetchRequest } from '../../protocol/messages/share.ts'
import { defaultTopicConfig } from '../../protocol/topic-config.ts'
import { checkShares, newShareTruth, passedOver } from '../../simulation/checkers/share.ts'
import { acknowledge, forgetFrom, newTruth, partitionTruth } from '../../simulation/truth.ts'
import type { PartitionTruth, Truth } from '../../simulation/truth.ts'
import { World } from '../../simulation/world.ts'

const RECORD = { topic: 'orders', topicId: 1, partition: 0, first: 0, last: 0 }
const DELIVERY_COUNT_LIMIT = 3

interface Scene {
  readonly truth: Truth
  readonly partition: PartitionTruth
  /** A member asks, says something, and is given something. */
  readonly ask: (
    memberId: string,
    acknowledgements: readonly ShareAcknowledgement[],
    acquired: readonly AcquiredRange[],
    more?: Partial<Pick<ShareFetchRequest, 'leaves' | 'sessionEpoch'>>,
    isTold?: boolean,
  ) => void
  /** Another coordinator takes over. */
  readonly succeed: () => void
  /** The former one is heard again. */
  readonly recall: () => void
  /** The first record that the group has no reason to pass, if it begins behind the only one. */
  readonly passed: () => number | null
}

describe('an attempt', () => {
  test('counts that is told to a member that has left elsewhere, when what it asked before comes again; not one that is told to nobody', () => {
    for (const isGiven of [true, false]) {
      const { truth, ask, succeed, recall } = newScene()
      ask('a', [], [], { sessionEpoch: 1 })
      succeed()
      ask('a', [], [], { leaves: true })
      recall()
      ask('a', [], isGiven ? [{ ...RECORD, deliveryCount: 1 }] : [], { sessionEpoch: 1 })
      ask('b', [], [{ ...RECORD, deliveryCount: 2 }])
      expect(truth.world.violation?.code ?? null).toBe(isGiven ? null : 'SHARE')
    }
  })

  test('counts of which nobody was told as its member has left, beside one that ended with its coordinator; a request to leave is none', () => {
    for (const { leaves, deliveryCount, isRight } of [
      { leaves: true, deliveryCount: 3, isRight: true },
      { leaves: true, deliveryCount: 4, isRight: false },
      { leaves: false, deliveryCount: 2, isRight: true },
      { leaves: false, deliveryCount: 3, isRight: false },
    ]) {
      const { truth, ask, succeed } = newScene()
      ask('a', [], [], {}, false)
      if (leaves) ask('a', [], [], { leaves }, false)
      ask('b', [], [], {}, false)
      succeed()
      ask('c', [], [{ ...RECORD, deliveryCount }])
      expect(truth.world.violation?.code ?? null).toBe(isRight ? null : 'SHARE')
    }
  })
})

describe('what is known of records of a share group', () => {
  test('is known also while their log may lose its end, if it loses nothing', () => {
    const { partition, ask, passed } = newScene()
    expect(passed()).toBe(0)
    partition.lossFloor = 0
    acceptOnce(ask)
    partition.lossFloor = -1
    expect(passed()).toBeNull()
  })

  test('is not that one is done with, if nobody has said so', () => {
    const { partition, ask, passed } = newScene()
    partition.lossFloor = 0
    ask('a', [], [{ ...RECORD, deliveryCount: 1 }])
    partition.lossFloor = -1
    expect(passed()).toBe(0)
  })

  test('holds while their log may lose its end, and not when it has', () => {
    for (const isLost of [false, true]) {
      const { truth, partition, ask } = newScene()
      partition.lossFloor = 0
      acceptOnce(ask)
      if (isLost) forgetFrom(truth, partition, 0)
      ask('b', [], [{ ...RECORD, deliveryCount: 1 }])
      expect(truth.world.violation?.code ?? null).toBe(isLost ? null : 'SHARE')
    }
  })
})

function acceptOnce(ask: Scene['ask']): void {
  ask('a', [], [{ ...RECORD, deliveryCount: 1 }])
  ask('a', [{ ...RECORD, type: 'accept' }], [])
}

/** A log of one record, and a group that reads it. */
function newScene(): Scene {
  const truth = newTruth(new World(1), [])
  const partition = partitionTruth(truth, 'orders-0', 1, defaultTopicConfig)
  acknowledge(truth, partition, 0, [1], 0)
  partition.exposedEnd = 1
  const group = newShareTruth(truth, 'workers')
  let state = { phase: 'active', ends: new Map() } as unknown as SharesState
  let asked = 0
  let former = state
  const succeed = (): void => {
    former = state
    state = { phase: 'active', ends: new Map() } as unknown as SharesState
  }
  const recall = (): void => {
    state = former
  }
  const ask: Scene['ask'] = (memberId, acknowledgements, acquired, more = {}, isTold = true) => {
    const correlationId = ++asked
    const request: ShareFetchRequest = {
      ...({ kind: 'shareFetch', correlationId, group: 'workers', memberId, sessionEpoch: asked, topics: ['orders'] } as const),
      ...({ reset: 'earliest', isolationLevel: 'read_uncommitted', lockMillis: 1000, maxRecords: 1, maxWaitMillis: 1 } as const),
      ...{ deliveryCountLimit: DELIVERY_COUNT_LIMIT, acknowledgements, leaves: false, ...more },
    }
    const from = { node: -1, actor: memberId }
    const message: Message = { kind: 'shareFetchResponse', correlationId, errorCode: 0, reign: 1, waitedMillis: 0, acquired, refused: [] }
    checkShares(group, state, request, from, isTold ? [{ kind: 'send', to: from, message }] : [])
  }
  return { truth, partition, ask, succeed, recall, passed: () => passedOver(group, partition, 1, DELIVERY_COUNT_LIMIT) }
}
