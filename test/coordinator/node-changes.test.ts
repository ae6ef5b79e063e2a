// What may be asked about nodes: when one may go, and who may vote.

import { describe, expect, test } from 'vitest'
import { applyRecord } from '../../coordinator/metadata.ts'
import { judgeVoters, ruleUnregisterBroker } from '../../coordinator/node-changes.ts'
import { imageOf, nodes, partitionOf, topicWith } from './support.ts'

function unregister(
  node: number,
  validateOnly = false,
): { kind: 'unregisterBroker'; correlationId: 1; node: number; validateOnly: boolean } {
  return { kind: 'unregisterBroker', correlationId: 1, node, validateOnly }
}

describe('a node', () => {
  const topics = ['f', 'e', 'd', 'c', 'b', 'a', 'g'].map((name, i) => topicWith(name, i + 1, [partitionOf([0]), partitionOf([0, 1])]))
  const image = imageOf(...nodes([0, 1, 2, 3], [3]), ...topics)

  test('goes when it has nothing, does not run, and does not vote', () => {
    const copy = imageOf(...nodes([0, 3], [3]))
    const { records, verdicts } = ruleUnregisterBroker(copy, unregister(3), [0])
    expect(verdicts).toMatchObject([{ error: null }])
    for (const record of records) applyRecord(copy, record)
    expect([...copy.brokers.keys()]).toEqual([0])
  })

  test('stays while it has replicas, whose topics are named', () => {
    expect(ruleUnregisterBroker(image, unregister(1), [0])).toMatchObject({
      records: [],
      verdicts: [
        {
          error: 'INVALID_REQUEST',
          reason: expect.stringMatching(/^node 1 still has replicas of a, b, c, d, e and 2 more topics; move/) as string,
        },
      ],
    })
  })

  test('stays while it runs, and while it votes', () => {
    expect(ruleUnregisterBroker(image, unregister(2), [0]).verdicts).toMatchObject([{ reason: 'node 2 is running; stop it first' }])
    expect(ruleUnregisterBroker(image, unregister(3), [0, 3]).verdicts).toMatchObject([
      { reason: expect.stringMatching(/removeVoter/) as string },
    ])
  })

  test('that nobody knows cannot go', () => {
    expect(ruleUnregisterBroker(image, unregister(9), [0]).verdicts).toMatchObject([{ error: 'BROKER_ID_NOT_REGISTERED' }])
  })

  test('is only looked at where nothing else is asked: then it may run', () => {
    expect(ruleUnregisterBroker(image, unregister(2, true), [0])).toMatchObject({ records: [], verdicts: [{ error: null }] })
  })
})

describe('the voters', () => {
  const image = imageOf(...nodes([0, 1, 2, 3]))

  test.each([
    ['addRaftVoter', 3, [0, 1], [0, 1, 3]],
    ['removeRaftVoter', 1, [0, 1], [0]],
  ] as const)('%s %i', (kind, node, voters, after) => {
    expect(judgeVoters(image, voters, { kind, correlationId: 1, node })).toEqual(after)
  })

  test.each([
    ['addRaftVoter', 1, [0, 1], 'DUPLICATE_VOTER'],
    ['addRaftVoter', 9, [0, 1], 'BROKER_ID_NOT_REGISTERED'],
    ['removeRaftVoter', 3, [0, 1], 'VOTER_NOT_FOUND'],
    ['removeRaftVoter', 9, [0, 1], 'VOTER_NOT_FOUND'],
    ['removeRaftVoter', 0, [0], 'INVALID_REQUEST'],
  ] as const)('%s %i is refused', (kind, node, voters, error) => {
    expect(judgeVoters(image, voters, { kind, correlationId: 1, node })).toMatchObject({ error })
  })
})
