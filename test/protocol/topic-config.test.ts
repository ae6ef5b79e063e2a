// Settings of topics: what people write becomes a whole configuration, or one sentence that helps.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultTopicConfig, describeAllowed, parseTopicConfig, topicSettingOf, topicSettings } from '../../protocol/topic-config.ts'
import type { TopicConfig } from '../../protocol/topic-config.ts'

function parsed(input: Record<string, unknown>): TopicConfig {
  const result = parseTopicConfig(input)
  if (!result.ok) throw new Error(result.reason)
  return result.config
}

function reason(input: Record<string, unknown>): string {
  const result = parseTopicConfig(input)
  return result.ok ? 'accepted' : result.reason
}

describe('accepted', () => {
  test('nothing gives the defaults, and the defaults are allowed by their own rules', () => {
    expect(parsed({})).toEqual(defaultTopicConfig)
    expect(parsed({ ...defaultTopicConfig })).toEqual(defaultTopicConfig)
    expect(Object.keys(topicSettings).sort()).toEqual(Object.keys(defaultTopicConfig).sort())
  })

  test('what is given replaces the default, undefined means not given', () => {
    expect(parsed({ segmentBytes: 16_384, retentionMillis: undefined })).toEqual({ ...defaultTopicConfig, segmentBytes: 16_384 })
  })

  test("Kafka's names and Kafka's texts are understood", () => {
    const config = parsed({
      'retention.ms': '60000',
      'retention.bytes': -1,
      'cleanup.policy': 'delete',
      'message.timestamp.type': 'LogAppendTime',
      'unclean.leader.election.enable': 'true',
      'flush.ms': '9223372036854775807',
    })
    expect(config).toEqual({
      ...defaultTopicConfig,
      retentionMillis: 60_000,
      messageTimestampType: 'LogAppendTime',
      uncleanLeaderElection: true,
      flushIntervalMillis: Number.MAX_SAFE_INTEGER,
    })
  })

  test('both policies at once are one value, in whatever order they are written', () => {
    for (const text of ['compact,delete', 'delete,compact', 'delete, compact'])
      expect(parsed({ 'cleanup.policy': text }).cleanupPolicy).toBe('compact,delete')
    expect(parsed({ 'min.cleanable.dirty.ratio': '0.25' }).minCleanableDirtyRatio).toBe(0.25)
  })

  test('a setting is found under both of its names', () => {
    expect(topicSettingOf('segment.bytes')).toBe('segmentBytes')
    expect(topicSettingOf('segmentBytes')).toBe('segmentBytes')
    expect(topicSettingOf('toString')).toBeNull()
  })
})

describe('refused', () => {
  test.each([
    [{ 'segment.size': 1 }, "there is no topic setting 'segment.size'"],
    [{ segmentBytes: 1 }, "the topic setting 'segmentBytes' cannot be '1': it is a whole number from 16384 to 2147483647"],
    [{ 'retention.ms': -2 }, 'a whole number from 0 to 9007199254740991, or -1 for no limit'],
    [{ segmentMillis: 1.5 }, "cannot be '1.5'"],
    [{ segmentMillis: '1e3' }, "cannot be '1e3'"],
    [{ minInsyncReplicas: 0 }, 'a whole number from 1'],
    [{ flush: 'never' }, "one of 'commit', 'interval', 'os'"],
    [{ minCleanableDirtyRatio: 1.5 }, "'minCleanableDirtyRatio' cannot be '1.5': it is a number from 0 to 1"],
    [{ minCompactionLagMillis: 10, 'max.compaction.lag.ms': 9 }, "'minCompactionLagMillis' cannot be 10: it is at most"],
    [{ cleanupPolicy: 'shred' }, "cannot be 'shred': it is one of 'delete'"],
    [{ uncleanLeaderElection: 1 }, "cannot be '1': it is true or false"],
    [{ segmentBytes: null }, "cannot be 'null'"],
    [{ segmentBytes: Object.create(null) }, 'cannot be an object'],
    [{ deleteOnceConsumedBy: ['a', ''] }, 'cannot be a list of 2 with ""'],
    [{ deleteOnceConsumedBy: [undefined] }, 'cannot be a list of 1 with undefined'],
    [{ deleteOnceConsumedBy: Object.assign([], { 1: 'a' }) }, 'cannot be a list of 2 with undefined'],
    [{ deleteOnceConsumedBy: Array.from({ length: 17 }, (_, i) => `g${i}`) }, 'cannot be a list of 17: it is a list of up to 16'],
    [{ segmentBytes: 65_536, 'segment.bytes': 65_536 }, "given twice, as 'segmentBytes' and as 'segment.bytes'"],
  ])('%j', (input, expected) => {
    expect(reason(input)).toContain(expected)
  })

  test('whatever is given, the answer is a whole configuration or a reason', () => {
    const names = fc.constantFrom(...Object.keys(topicSettings), ...Object.values(topicSettings).map((rule) => rule.kafkaName))
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(names, fc.string()), fc.anything()), (input) => {
        const result = parseTopicConfig(input)
        if (result.ok) expect(Object.keys(result.config)).toEqual(Object.keys(defaultTopicConfig))
        else expect(result.reason).toMatch(/topic setting/)
      }),
    )
  })
})

test('every rule can be put into words', () => {
  for (const { allowed, doc } of Object.values(topicSettings)) {
    expect(describeAllowed(allowed)).toMatch(/^(one of|a whole number|a number from 0 to 1|true or false|a list of up to)/)
    expect(doc).toMatch(/\.$/)
  }
})

describe('the groups that must have consumed a record', () => {
  test('are a list, or a text with commas, each once', () => {
    expect(parsed({ deleteOnceConsumedBy: ['a', 'b', 'a'] }).deleteOnceConsumedBy).toEqual(['a', 'b'])
    expect(parsed({ 'delete.once.consumed.by': 'a,b' }).deleteOnceConsumedBy).toEqual(['a', 'b'])
    expect(parsed({ deleteOnceConsumedBy: '' })).toEqual(defaultTopicConfig)
  })

  test('have records kept until then, whatever their age, unless a limit is set', () => {
    expect(parsed({ deleteOnceConsumedBy: 'a' })).toMatchObject({ retentionMillis: -1, retentionBytes: -1 })
    expect(parsed({ deleteOnceConsumedBy: 'a', retentionMillis: 5 })).toMatchObject({ retentionMillis: 5 })
    expect(parsed({ deleteOnceConsumedBy: [] })).toEqual(defaultTopicConfig)
    expect(parsed({ 'delete.once.acknowledged.by': 'a,b' })).toMatchObject({ deleteOnceAcknowledgedBy: ['a', 'b'], retentionMillis: -1 })
  })

  test.each([[7], [['a', 7]], [['']], [['a\nb']], [Array.from({ length: 17 }, (_, i) => `g${i}`)], [{}]])('are not %j', (groups) => {
    expect(reason({ deleteOnceConsumedBy: groups })).toContain('it is a list of up to 16 group ids, or a text with commas between them')
  })
})
