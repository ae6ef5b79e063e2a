// Members that subscribe to a pattern (KIP-848): topics come and go, and the group follows.

import { expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import type { GroupsState } from '../../actors/groups-state.ts'
import type { TopicPattern } from '../../protocol/topic-pattern.ts'
import { ask, commitOf, heartbeat, loaded, logOf } from './groups-support.ts'
import { topicsAnswer } from './metadata.ts'
import { lines, sent, sentOne } from './stage.ts'
import type { Stage } from './stage.ts'

function beat(stage: Stage<GroupsState>, memberEpoch: number, source: string, topics: readonly string[] = []): Effect[] {
  const topicPattern: TopicPattern = { source, flags: '' }
  return stage.deliver(heartbeat('m', memberEpoch, { topicPattern, subscribedTopics: topics }))
}

/** What the member may have by its next heartbeat. */
function assigned(stage: Stage<GroupsState>, source: string, topics: readonly string[] = []): string {
  const { epoch } = stage.state.groups.get('g')!.membership!.members.get('m')!
  const { assignment } = sentOne(beat(stage, epoch, source, topics), 'consumerGroupHeartbeatResponse')
  return assignment.map(({ topic, partitions }) => `${topic}[${partitions.join(',')}]`).join(' ')
}

/** All topics, as an answer to the newest question for them. */
function tell(stage: Stage<GroupsState>, topics: Parameters<typeof topicsAnswer>[0], metadataOffset: number): Effect[] {
  return stage.deliver({ ...topicsAnswer(topics, metadataOffset), correlationId: stage.state.fullAskId })
}

test('a pattern is matched with all topics there are, but for internal ones, and with those that come', () => {
  const stage = loaded()
  expect(sentOne(beat(stage, 0, 'log|offsets'), 'metadata').topics).toBeNull()
  tell(stage, { 'a-log': [0], other: [0], __consumer_offsets: [0], logs: [0, 0] }, 1)
  expect(assigned(stage, 'log|offsets')).toBe('a-log[0] logs[0,1]')
  stage.deliver({ kind: 'timerFired', timer: 'refresh' })
  tell(stage, { 'a-log': [0], 'log-2': [0], logs: [0, 0] }, 2)
  expect(assigned(stage, 'log')).toContain('log-2[0]')
})

test('a topic that is deleted is taken back, and its offsets are forgotten', () => {
  const stage = loaded(logOf(['g', commitOf(0, 5)]), 1)
  beat(stage, 0, '^[tu]$')
  tell(stage, { t: [0], u: [0] }, 1)
  expect(assigned(stage, '^[tu]$')).toBe('t[0] u[0]')
  stage.deliver({ kind: 'timerFired', timer: 'refresh' })
  expect(sent(tell(stage, { u: [0] }, 2), 'produce')).toHaveLength(1)
  expect([assigned(stage, '^[tu]$'), ask(stage)]).toEqual(['u[0]', ['to client: offsetFetchResponse #99: none']])
})

test('names and a pattern may stand together, also names of topics that are not there yet', () => {
  const stage = loaded()
  beat(stage, 0, '^x', ['t', 'later'])
  expect(lines(tell(stage, { t: [0], x: [0] }, 1))).toEqual(['to client: groupChanged'])
  expect(assigned(stage, '^x', ['t', 'later'])).toBe('t[0] x[0]')
})

test.each([['('], ['x'.repeat(1001)], ['(a+)\\1'], ['a(?=b)']])(
  'an expression that is none, or too long or too costly a one, is INVALID_REGULAR_EXPRESSION',
  (source) => {
    const stage = loaded()
    expect(lines(beat(stage, 0, source))).toEqual([expect.stringContaining('INVALID_REGULAR_EXPRESSION')])
    expect(stage.state.groups.size).toBe(0)
  },
)

test('an assignor that there is not is UNSUPPORTED_ASSIGNOR', () => {
  const stage = loaded()
  const request = heartbeat('m', 0, { assignor: 'hasOwnProperty' as 'range' })
  expect(lines(stage.deliver(request))).toEqual([expect.stringContaining('UNSUPPORTED_ASSIGNOR')])
})
