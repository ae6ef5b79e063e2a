// What a client knows of leaders: one request at a time, and no hurry when an answer says nothing new.

import { expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import { newLeaderCache, SILENCE_MILLIS, takeTopics, topicOrAsk } from '../../actors/leader-cache.ts'
import type { LeaderCache } from '../../actors/leader-cache.ts'
import { topicsAnswer } from './metadata.ts'
import { lines } from './stage.ts'

function ask(cache: LeaderCache, correlationId: number, uptime: number): string[] {
  const effects: Effect[] = []
  topicOrAsk(cache, 't', correlationId, uptime, { push: (effect) => void effects.push(effect) })
  return lines(effects)
}

test('a topic is asked for once, until the coordinator has been silent for too long', () => {
  const cache = newLeaderCache([0], 1000)
  expect(ask(cache, 1, 0)).toEqual(['to coordinator: metadata #1 of t'])
  expect(ask(cache, 2, SILENCE_MILLIS - 1)).toEqual([])
  expect(ask(cache, 3, SILENCE_MILLIS)).toEqual(['to coordinator: metadata #3 of t'])
})

test('an answer that knows less than an earlier one is none: it is not asked again at once', () => {
  const cache = newLeaderCache([0], 1000)
  takeTopics(cache, topicsAnswer({ u: [0] }, 7))
  ask(cache, 1, 0)
  takeTopics(cache, topicsAnswer({ t: [0] }, 6))
  expect(ask(cache, 2, 10)).toEqual([])
  takeTopics(cache, topicsAnswer({ t: [0] }, 7))
  expect(ask(cache, 3, 20)).toEqual([])
  expect(cache.topics.get('t')?.topicId).toBe(5)
})
