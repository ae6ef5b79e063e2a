// Those who wait: for a coordinator whose reign is over, for a member that is gone, for a group that nobody looks for; and a reader that goes on where nothing is as it was.

import { newConsumerState } from '../../../actors/consumer-state.ts'
import type { ConsumerConfig } from '../../../actors/consumer-state.ts'
import type { Effect } from '../../../actors/effect.ts'
import type { GroupsState } from '../../../actors/groups-state.ts'
import type { Message } from '../../../protocol/messages/message.ts'
import { stampLeaderEpoch } from '../../../protocol/record-batch.ts'
import { checkGroupSought } from '../../../simulation/checkers/commits.ts'
import { checkFarewells } from '../../../simulation/checkers/farewells.ts'
import { checkReadingOn } from '../../../simulation/checkers/forks.ts'
import { newGroupTruth } from '../../../simulation/checkers/groups.ts'
import { checkResignation } from '../../../simulation/checkers/resignation.ts'
import { buildBatch } from '../../../simulation/records.ts'
import { inScene } from './damaged.ts'
import type { Damaged } from './damaged.ts'

const CLIENT = { node: -1, actor: 'consumer' }
const LEAVE: Message = { kind: 'leaveGroup', correlationId: 1, group: 'billing', members: [{ memberId: 'a', instanceId: null }] }
const LEFT: Effect = { kind: 'send', to: CLIENT, message: { kind: 'leaveGroupResponse', correlationId: 1, errorCode: 0, members: [] } }
const JOIN = { kind: 'consumerGroupHeartbeat', correlationId: 0, group: 'billing', memberId: 'a', memberEpoch: 0 } as unknown as Message
const RESIGN: Message = { kind: 'resign', correlationId: 7, leaderEpoch: 0 }
const RESIGNED: Effect = { kind: 'send', to: { node: 0, actor: 'broker' }, message: { kind: 'resigned', correlationId: 7 } }
const REFUSED: Effect = { kind: 'send', to: CLIENT, message: { kind: 'undeliverable', correlationId: 1 } }

/** A coordinator that has read its log, which names these members, and is about to strike one. */
function knowing(...memberIds: readonly string[]): GroupsState {
  const roster = { named: new Map(), missing: new Map(memberIds.map((memberId) => [memberId, {}])) }
  const log = { loaded: true }
  return {
    config: { partition: 0, leaderEpoch: 0 },
    log,
    checked: true,
    striking: new Map([[1, { group: 'billing', memberIds: new Set(['a']) }]]),
    unstruck: new Map(),
    groups: new Map([['billing', { roster }]]),
  } as unknown as GroupsState
}

/** It has that member named again. */
function naming(state: GroupsState): GroupsState {
  state.groups.get('billing')?.roster?.named.set('a', { joinId: 0, writeId: 2, isWritten: false })
  return state
}

/** Those who wait in vain. */
export const damagedWaiting: readonly Damaged[] = [
  inScene('LIVE', 'a coordinator resigns, and does not answer who waits', ({ truth }, isDamaged) => {
    const waiting = { asked: new Map(), newest: new Map() }
    checkResignation(truth.world, waiting, LEAVE, CLIENT, [])
    checkResignation(truth.world, waiting, RESIGN, RESIGNED.kind === 'send' ? RESIGNED.to : CLIENT, [
      ...(isDamaged ? [] : [REFUSED]),
      RESIGNED,
    ])
  }),
  inScene('LIVE', 'a coordinator resigns, and does not answer who has asked nobody since', ({ truth }, isDamaged) => {
    const newest = new Map()
    const successor = { asked: new Map(), newest }
    if (!isDamaged) checkResignation(truth.world, { asked: new Map(), newest }, { ...LEAVE, correlationId: 2 }, CLIENT, [])
    checkResignation(truth.world, successor, LEAVE, CLIENT, [])
    checkResignation(truth.world, successor, RESIGN, RESIGNED.kind === 'send' ? RESIGNED.to : CLIENT, [RESIGNED])
  }),
  inScene('LIVE', 'a coordinator waits for a member that was told that it is gone', ({ truth }, isDamaged) => {
    const group = newGroupTruth(truth, 'billing', 3000)
    checkFarewells(group, knowing(), LEAVE, CLIENT, [LEFT])
    checkFarewells(group, knowing(isDamaged ? 'a' : 'b'), RESIGN, CLIENT, [])
  }),
  inScene(
    'LIVE',
    'a coordinator waits for a member that was told that it is gone, and whose late join nobody has taken up',
    ({ truth }, isDamaged) => {
      const group = newGroupTruth(truth, 'billing', 3000)
      checkFarewells(group, knowing(), LEAVE, CLIENT, [])
      checkFarewells(group, isDamaged ? knowing() : naming(knowing()), JOIN, CLIENT, [])
      checkFarewells(group, knowing(), RESIGN, CLIENT, [LEFT])
      checkFarewells(group, knowing('a'), RESIGN, CLIENT, [])
    },
  ),
  inScene('LIVE', 'a consumer that has something to commit does not look for its group', ({ truth }, isDamaged) => {
    const state = newConsumerState(CLIENT, { coordinatorNodes: [0] } as unknown as ConsumerConfig)
    state.commits.push({ offsets: [] } as never)
    const search = { since: Infinity, dueAt: Infinity }
    for (const uptime of [0, isDamaged ? 1001 : 1000])
      checkGroupSought(truth.world, 'consumer', search, state, {
        host: { clock: { uptime: () => uptime } as never, isPaused: false },
        effects: [],
      })
  }),
  inScene('SKIP', 'a reader goes on where another leader has begun below', ({ truth }, isDamaged) => {
    const batch = buildBatch([1], 8, 0)
    stampLeaderEpoch(batch, 0, 2)
    const reading = { topic: 'orders', partition: 0, topicId: 1, who: 'a reader', offset: 5, epoch: 1 }
    checkReadingOn(truth.world, reading, batch, () => (isDamaged ? 4 : 5))
  }),
]
