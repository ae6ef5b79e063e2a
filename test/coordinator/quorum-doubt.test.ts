// A voter whose disk has lost something that it may have acknowledged: what its vote is worth, until its leader knows what it has.

import { expect, test } from 'vitest'
import { isActive, startQuorum } from '../../coordinator/quorum.ts'
import { act, elect, member, messages, settle, tell } from './quorum-support.ts'
import type { TestMember } from './quorum-support.ts'

const VOTERS = [0, 1, 2]

function epochsOf({ state }: TestMember): number[] {
  return state.log.batches.map(({ epoch }) => epoch)
}

/** The first has a batch of epoch 2 that the last one, which has lost it, acknowledged. */
function harmed(...doubtful: readonly number[]): TestMember[] {
  const all = [member(0, VOTERS, [1, 2]), member(1, VOTERS, [1], 2), member(2, VOTERS, [1], 2)]
  for (const node of doubtful) all[node]!.state.isDoubtful = true
  return all
}

test.each([
  [[], 'leader'],
  [[2], 'prospective'],
  [[1], 'prospective'],
])('a voter that has lost what it acknowledged elects nobody without it, and does not stand in its place: %j', (doubtful, role) => {
  const [, b, c] = harmed(...doubtful)
  elect(b!, [b!, c!])
  expect(b!.state.role).toBe(role)
})

test('a doubtful voter says so when it votes, and counts where a majority has voted that has lost nothing', () => {
  const all = harmed(2)
  elect(all[0]!, all)
  expect(isActive(all[0]!.state)).toBe(true)
  const ask = { kind: 'quorumVote', epoch: 9, preVote: false, lastEpoch: 9, endOffset: 9 } as const
  const [lost] = harmed(0)
  act(lost!, startQuorum)
  expect(messages([...tell(lost!, 1, ask), ...settle(lost!)])).toEqual([
    { to: 1, message: { kind: 'quorumVoteResponse', epoch: 9, preVote: false, voteGranted: true, isDoubtful: true } },
  ])
})

test('doubtful voters count where all have voted: more cannot be asked', () => {
  const all = harmed(0, 1, 2)
  elect(all[0]!, all.slice(0, 2))
  expect(all[0]!.state.role).toBe('prospective')
  elect(all[0]!, all)
  expect(isActive(all[0]!.state)).toBe(true)
  const alone = member(0, [0], [1])
  alone.state.isDoubtful = true
  expect([...act(alone, startQuorum), ...settle(alone)].map(({ kind }) => kind)).toContain('caughtUp')
  expect([isActive(alone.state), alone.state.isDoubtful]).toEqual([true, false])
})

test('a doubtful voter is like others when its leader knows that it has all that is committed', () => {
  const all = harmed(2)
  const outputs = elect(all[0]!, all)
  expect(all.map(({ state }) => state.isDoubtful)).toEqual([false, false, false])
  expect(outputs.filter(({ kind }) => kind === 'caughtUp')).toHaveLength(1)
  expect(epochsOf(all[2]!)).toEqual(epochsOf(all[0]!))
  // A leader that has committed nothing of its epoch does not know that.
  const [leader, , lost] = harmed(2)
  elect(leader!, [leader!, member(1, VOTERS, [1, 2])])
  leader!.state.highWatermark = 0
  expect(
    messages(tell(leader!, 2, { kind: 'quorumAppendResponse', epoch: 3, isMatch: true, endOffset: 1, isDoubtful: true })),
  ).not.toContainEqual(expect.objectContaining({ message: expect.objectContaining({ isCaughtUp: true }) as unknown }))
  expect(lost!.state.isDoubtful).toBe(true)
})

test('a doubtful voter takes back what it acknowledged before', () => {
  const all = VOTERS.map((node) => member(node, VOTERS, [1]))
  elect(all[0]!, all)
  expect(all[0]!.state.progress.get(2)?.matchOffset).toBe(3)
  tell(all[0]!, 2, { kind: 'quorumAppendResponse', epoch: 2, isMatch: true, endOffset: 1, isDoubtful: true })
  expect(all[0]!.state.progress.get(2)?.matchOffset).toBe(1)
  tell(all[0]!, 2, { kind: 'quorumAppendResponse', epoch: 2, isMatch: false, endOffset: 0, isDoubtful: true })
  expect(all[0]!.state.progress.get(2)?.matchOffset).toBe(0)
})
