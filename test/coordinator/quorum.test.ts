// The rules of the metadata quorum, one at a time. All of them together, under faults: quorum-simulation.test.ts.

import { describe, expect, test } from 'vitest'
import { onElectionTimeout, onNodeDown } from '../../coordinator/quorum-election.ts'
import { endEpoch } from '../../coordinator/quorum-hand-over.ts'
import { appendToLog, batchesFrom, endOf, epochBefore, lastEpochOf, votersOf } from '../../coordinator/quorum-log.ts'
import { addObserver, changeVoters } from '../../coordinator/quorum-membership.ts'
import { encodeSnapshot } from '../../coordinator/quorum-records.ts'
import { onSnapshotSaved } from '../../coordinator/quorum-replication.ts'
import { isActive, nextDeadline, onLogSynced, onQuorumTick, onVotePersisted, propose, startQuorum } from '../../coordinator/quorum.ts'
import { act, converse, elect, entry, member, messages, settle, tell } from './quorum-support.ts'
import type { TestMember } from './quorum-support.ts'

const VOTERS = [0, 1, 2]

function epochsOf({ state }: TestMember): number[] {
  return state.log.batches.map(({ epoch }) => epoch)
}

function write(leader: TestMember, members: readonly TestMember[], value = 'x'): void {
  converse(members, [...act(leader, (step) => void propose(step, [new TextEncoder().encode(value)])), ...settle(leader)], leader.node)
}

describe('an election', () => {
  test('asks first whether it would be won, and disturbs nobody by that', () => {
    const [a, b] = [member(0, VOTERS, [1]), member(1, VOTERS, [1])]
    const asked = messages(act(a, onElectionTimeout))
    expect(asked.map(({ to, message }) => [to, message.kind, message.epoch])).toEqual([
      [1, 'quorumVote', 1],
      [2, 'quorumVote', 1],
    ])
    tell(b, 0, asked[0]!.message)
    expect(b.state).toMatchObject({ epoch: 1, votedFor: -1, voteSequence: 0 })
    expect(a.state.role).toBe('prospective')
  })

  test('is won by one of three, who begins with a batch of its own and acts when that is committed', () => {
    const all = VOTERS.map((node) => member(node, VOTERS, [1]))
    elect(all[0]!, all)
    expect(all.map(({ state: { role, epoch, leader } }) => [role, epoch, leader])).toEqual([
      ['leader', 2, 0],
      ['follower', 2, 0],
      ['follower', 2, 0],
    ])
    expect(epochsOf(all[1]!)).toEqual([1, 2])
    expect(isActive(all[0]!.state)).toBe(true)
  })

  test('is refused while a leader is heard, unless its process is known to be dead', () => {
    const all = VOTERS.map((node) => member(node, VOTERS, [1]))
    elect(all[0]!, all)
    const [, b, c] = all
    const ask = { kind: 'quorumVote', epoch: 2, preVote: true, lastEpoch: 2, endOffset: 9 } as const
    expect(messages(tell(b!, 2, ask))[0]?.message).toMatchObject({ voteGranted: false })
    act(b!, (step) => onNodeDown(step, 0))
    expect(nextDeadline(b!.state)).toBe(b!.uptime)
    expect(messages(tell(b!, 2, ask))[0]?.message).toMatchObject({ voteGranted: true })
    act(c!, (step) => onNodeDown(step, 1))
    expect(nextDeadline(c!.state)).toBeGreaterThan(c!.uptime)
  })

  test('goes to nobody whose log is older or shorter', () => {
    const b = member(1, VOTERS, [1, 2])
    const ask = (lastEpoch: number, endOffset: number): unknown =>
      messages(tell(b, 2, { kind: 'quorumVote', epoch: 2, preVote: true, lastEpoch, endOffset }))[0]?.message
    expect(ask(1, 9)).toMatchObject({ voteGranted: false })
    expect(ask(2, 1)).toMatchObject({ voteGranted: false })
    expect(ask(2, 2)).toMatchObject({ voteGranted: true })
  })

  test('gets one vote of each in an epoch, which is durable before it is given', () => {
    const b = member(1, VOTERS, [1])
    const ask = { kind: 'quorumVote', epoch: 5, preVote: false, lastEpoch: 1, endOffset: 1 } as const
    const outputs = tell(b, 2, ask)
    expect(outputs.map(({ kind }) => kind)).toEqual(['persistVote', 'persistVote'])
    expect(messages(act(b, (step) => onVotePersisted(step, 1)))).toEqual([])
    expect(messages(settle(b))).toMatchObject([{ to: 2, message: { voteGranted: true } }])
    expect(messages(tell(b, 0, ask))).toMatchObject([{ to: 0, message: { voteGranted: false } }])
    expect(messages(tell(b, 2, ask))).toMatchObject([{ to: 2, message: { voteGranted: true } }])
  })

  test('in a newer epoch silences what was to be said in older ones, and has not left yet', () => {
    const b = member(1, VOTERS, [1])
    tell(b, 2, { kind: 'quorumAppend', epoch: 5, prevOffset: 1, prevEpoch: 1, highWatermark: 0, records: null })
    tell(b, 0, { kind: 'quorumVote', epoch: 6, preVote: false, lastEpoch: 1, endOffset: 1 })
    expect(messages(settle(b)).map(({ to, message }) => [to, message.kind, message.epoch])).toEqual([[0, 'quorumVoteResponse', 6]])
  })

  test('of a sole voter is over at once, and counts when its vote and its batch are durable', () => {
    const a = member(0, [0], [1])
    expect(act(a, startQuorum).map(({ kind }) => kind)).toEqual(['persistVote', 'append'])
    expect(act(a, (step) => onLogSynced(step, 3))).toEqual([])
    expect(act(a, (step) => onVotePersisted(step, 1)).map(({ kind }) => kind)).toEqual(['elected', 'committed'])
    expect(nextDeadline(a.state)).toBe(Infinity)
  })

  test('is begun by the first founder while there is no log, and by others not at all', () => {
    const [a, b] = [member(0, VOTERS), member(1, VOTERS)]
    act(a, startQuorum)
    expect(nextDeadline(a.state)).toBe(a.uptime)
    expect(act(b, onElectionTimeout)).toEqual([])
  })

  test('is not begun by a node that does not vote', () => {
    const observer = member(3, VOTERS, [1])
    expect(act(observer, onElectionTimeout)).toEqual([])
    expect(observer.state.role).toBe('follower')
  })
})

describe('a leader', () => {
  test('resigns when it hears no majority any more', () => {
    const all = VOTERS.map((node) => member(node, VOTERS, [1]))
    elect(all[0]!, all)
    all[0]!.uptime += 150
    expect(act(all[0]!, onQuorumTick).some(({ kind }) => kind === 'resigned')).toBe(false)
    all[0]!.uptime += 60
    expect(act(all[0]!, onQuorumTick)[0]).toEqual({ kind: 'resigned' })
  })

  test('commits what a majority has synced, its own disk included only when it has', () => {
    const all = VOTERS.map((node) => member(node, VOTERS, [1]))
    const [a, b] = all
    elect(a!, all)
    const appends = messages(act(a!, (step) => void propose(step, [new Uint8Array(1)])))
    const before = a!.state.highWatermark
    const acks = messages([...tell(b!, 0, appends[0]!.message), ...act(b!, (step) => onLogSynced(step, before + 1))])
    expect(acks.map(({ message }) => message)).toMatchObject([{ endOffset: before }, { endOffset: before + 1 }])
    for (const { message } of acks) tell(a!, 1, message)
    expect(a!.state.highWatermark).toBe(before)
    act(a!, (step) => onLogSynced(step, before + 1))
    expect(a!.state.highWatermark).toBe(before + 1)
  })

  test('does not commit older epochs by counting (figure 8 of the paper)', () => {
    const all = VOTERS.map((node) => member(node, VOTERS, [1, ...(node === 0 ? [2] : [])], 3))
    const [a, b] = all
    for (const one of all) one.uptime += 1000
    converse([b!], [...act(a!, onElectionTimeout), ...settle(a!)], 0)
    const granted = { kind: 'quorumVoteResponse', epoch: 3, preVote: true, voteGranted: true } as const
    tell(a!, 1, granted)
    settle(a!)
    tell(a!, 1, { ...granted, epoch: 4, preVote: false })
    expect(a!.state).toMatchObject({ role: 'leader', epoch: 4 })
    tell(a!, 1, { kind: 'quorumAppendResponse', epoch: 4, isMatch: true, endOffset: 2 })
    expect(a!.state.highWatermark).toBe(0)
    tell(a!, 1, { kind: 'quorumAppendResponse', epoch: 4, isMatch: true, endOffset: endOf(a!.state.log) })
    settle(a!)
    expect(a!.state.highWatermark).toBe(endOf(a!.state.log))
  })

  test('brings a follower whose log went another way to its own', () => {
    const [a, b, c] = [member(0, VOTERS, [1, 1, 4]), member(1, VOTERS, [1, 2, 2, 3, 3]), member(2, VOTERS, [1, 1, 4])]
    elect(a, [a, c])
    converse(
      [a, b, c],
      act(a, (step) => ((step.state.heartbeatAt = 0), onQuorumTick(step))),
      0,
    )
    expect(epochsOf(b)).toEqual(epochsOf(a))
    expect(b.state.highWatermark).toBeGreaterThan(0)
  })

  test('asks one thing at a time while it looks for where the logs agree', () => {
    const [mine, others] = [Array.from({ length: 24 }, (_, i) => 2 * i + 2), Array.from({ length: 24 }, (_, i) => 2 * i + 1)]
    const [a, b, c] = [member(0, VOTERS, [1, ...mine]), member(1, VOTERS, [1, ...others]), member(2, VOTERS, [1, ...mine])]
    elect(a, [a, c])
    const appends = Array.from({ length: 4 }, () => act(a, (step) => void propose(step, [new Uint8Array(1)]))).flat()
    const said = messages(converse([a, b, c], [...appends, ...settle(a)], 0))
    expect(epochsOf(b)).toEqual(epochsOf(a))
    expect(said.filter(({ to, message }) => to === 1 && message.kind === 'quorumAppend').length).toBeLessThan(2 * epochsOf(a).length)
  })

  test('steps down when it hears of a newer epoch', () => {
    const all = VOTERS.map((node) => member(node, VOTERS, [1]))
    elect(all[0]!, all)
    const outputs = tell(all[0]!, 2, { kind: 'quorumAppendResponse', epoch: 9, isMatch: false, endOffset: 0 })
    expect(outputs.map(({ kind }) => kind)).toEqual(['resigned', 'persistVote'])
    expect(all[0]!.state).toMatchObject({ role: 'follower', epoch: 9, leader: -1 })
  })

  test('that leaves has the one with most of the log elected at once, and the next one stands if that one does not', () => {
    const all = VOTERS.map((node) => member(node, VOTERS, [1]))
    const [a, b, c] = all
    elect(a!, all)
    write(a!, [a!, c!])
    const outputs = act(a!, endEpoch)
    const end = { kind: 'quorumEndEpoch', epoch: 2, successors: [2, 1] } as const
    expect(messages(outputs)).toEqual([
      { to: 2, message: end },
      { to: 1, message: end },
    ])
    expect(a!.state).toMatchObject({ role: 'follower', leader: -1 })
    // Node 1 still believes in its leader: it is not asked whether there should be an election.
    converse([a!, c!], outputs, 0)
    expect([a!, c!].map(({ state }) => [state.role, state.epoch, state.leader])).toEqual([
      ['follower', 3, 2],
      ['leader', 3, 2],
    ])
    expect(isActive(c!.state)).toBe(true)
    tell(b!, 0, end)
    expect(nextDeadline(b!.state)).toBe(b!.uptime + 50)
  })

  test('that is asked to take over stands for election, and leads when a majority has voted for it', () => {
    const b = member(1, VOTERS, [1, 2])
    const asked = tell(b, 0, { kind: 'quorumEndEpoch', epoch: 2, successors: [1, 2] })
    expect(asked.map(({ kind }) => kind)).toEqual(['persistVote'])
    expect(messages(settle(b)).map(({ message }) => message.kind)).toEqual(['quorumVote', 'quorumVote'])
    tell(b, 2, { kind: 'quorumVoteResponse', epoch: 3, preVote: false, voteGranted: false })
    expect([b.state.role, epochsOf(b)]).toEqual(['candidate', [1, 2]])
    tell(b, 0, { kind: 'quorumVoteResponse', epoch: 3, preVote: false, voteGranted: true })
    expect([b.state.role, epochsOf(b)]).toEqual(['leader', [1, 2, 3]])
  })

  test('does not leave when nobody else votes', () => {
    const a = member(0, [0], [1])
    act(a, startQuorum)
    expect(act(a, endEpoch)).toEqual([])
    expect(a.state.role).toBe('leader')
  })

  test('sends appends of bounded size, and not too many before they are answered', () => {
    const all = VOTERS.map((node) => member(node, VOTERS, [1]))
    elect(all[0]!, all)
    let sent = 0
    for (let i = 0; i < 50; i++) {
      for (const { to, message } of messages(act(all[0]!, (step) => void propose(step, [new Uint8Array(400)])))) {
        if (to !== 1 || message.kind !== 'quorumAppend') continue
        sent++
        expect(message.records?.length).toBeLessThan(1000)
      }
    }
    expect(sent).toBe(4)
  })
})

describe('a follower', () => {
  test('keeps what it has when an append comes late', () => {
    const all = VOTERS.map((node) => member(node, VOTERS, [1]))
    elect(all[0]!, all)
    const late = messages(act(all[0]!, (step) => void propose(step, [new Uint8Array(1)])))[0]!.message
    converse(all, settle(all[0]!), 0)
    write(all[0]!, all)
    tell(all[1]!, 0, late)
    write(all[0]!, all)
    const end = endOf(all[1]!.state.log)
    expect(tell(all[1]!, 0, late).map(({ kind }) => kind)).toEqual(['send'])
    expect(endOf(all[1]!.state.log)).toBe(end)
  })

  test('takes nothing from a leader of the past, and tells it of the epoch that has begun', () => {
    const b = member(1, VOTERS, [1, 3])
    const old = entry(1, 2, 'old')
    const outputs = tell(b, 0, { kind: 'quorumAppend', epoch: 2, prevOffset: 1, prevEpoch: 1, highWatermark: 0, records: old.bytes })
    expect(outputs).toEqual([{ kind: 'send', to: 0, message: { kind: 'quorumAppendResponse', epoch: 3, isMatch: false, endOffset: 0 } }])
    expect([b.state.epoch, b.state.leader, epochsOf(b)]).toEqual([3, -1, [1, 3]])
  })

  test('cuts nothing that is committed', () => {
    const all = VOTERS.map((node) => member(node, VOTERS, [1]))
    elect(all[0]!, all)
    write(all[0]!, all)
    write(all[0]!, all)
    const follower = all[1]!
    expect(follower.state.highWatermark).toBeGreaterThan(2)
    const records = entry(1, 7).bytes
    const message = { kind: 'quorumAppend', epoch: 7, prevOffset: 1, prevEpoch: 1, highWatermark: 0, records } as const
    expect(() => tell(follower, 2, message)).toThrow('Q11')
  })

  test('ignores an append that is not sound', () => {
    const follower = member(1, VOTERS, [1])
    const records = entry(1, 1).bytes
    records[62]! ^= 1
    tell(follower, 0, { kind: 'quorumAppend', epoch: 1, prevOffset: 1, prevEpoch: 1, highWatermark: 0, records })
    expect(endOf(follower.state.log)).toBe(1)
  })
})

describe('a snapshot', () => {
  test('takes the place of what it covers, and ends where the next batch begins', () => {
    const all = VOTERS.map((node) => member(node, VOTERS, [1]))
    const [a] = all
    elect(a!, all)
    write(a!, all)
    write(a!, all)
    const { log, highWatermark } = a!.state
    const endOffset = highWatermark - 1
    const snapshot = encodeSnapshot({ endOffset, epoch: epochBefore(log, endOffset) ?? -1, voters: VOTERS }, [], 0)
    const outputs = act(a!, (step) => onSnapshotSaved(step, snapshot))
    expect(outputs).toEqual([{ kind: 'dropLog', endOffset, how: 'kept' }])
    expect(batchesFrom(log, endOffset, 1000).map(({ baseOffset }) => baseOffset)).toEqual([endOffset])
    expect(votersOf(log)).toEqual(VOTERS)
  })

  test('comes to a follower that is too far behind, in pieces', () => {
    const all = VOTERS.map((node) => member(node, VOTERS, [1]))
    const [a, b, c] = all
    elect(a!, [a!, b!])
    for (let i = 0; i < 3; i++) write(a!, [a!, b!], 'y'.repeat(100))
    const { log, highWatermark: endOffset } = a!.state
    const epoch = epochBefore(log, endOffset) ?? -1
    const snapshot = encodeSnapshot({ endOffset, epoch, voters: VOTERS }, [new Uint8Array(2500)], 0)
    act(a!, (step) => onSnapshotSaved(step, snapshot))
    const outputs = converse(
      all,
      act(a!, (step) => ((step.state.heartbeatAt = 0), onQuorumTick(step))),
      0,
    )
    const saved = outputs.find((output) => output.kind === 'saveSnapshot')
    expect(saved).toMatchObject({ snapshot: { endOffset, epoch, voters: VOTERS } })
    expect(saved?.kind === 'saveSnapshot' && saved.snapshot.bytes.length).toBe(snapshot.bytes.length)
    if (saved?.kind !== 'saveSnapshot') return
    converse(
      all,
      act(c!, (step) => onSnapshotSaved(step, saved.snapshot)),
      2,
    )
    expect(c!.state).toMatchObject({ highWatermark: endOffset, syncedEndOffset: endOffset })
    write(a!, all)
    expect(endOf(c!.state.log)).toBe(endOf(log))
  })

  test('replaces a log that does not agree with it', () => {
    const b = member(1, VOTERS, [1, 2, 2])
    const snapshot = encodeSnapshot({ endOffset: 2, epoch: 3, voters: [0, 1] }, [], 0)
    expect(act(b, (step) => onSnapshotSaved(step, snapshot))).toEqual([
      { kind: 'dropLog', endOffset: 2, how: 'replaced' },
      { kind: 'committed' },
    ])
    expect([endOf(b.state.log), lastEpochOf(b.state.log), votersOf(b.state.log)]).toEqual([2, 3, [0, 1]])
  })
})

describe('the voters', () => {
  function led(): TestMember[] {
    const all = [...VOTERS, 3].map((node) => member(node, VOTERS, node === 3 ? [] : [1]))
    elect(all[0]!, all.slice(0, 3))
    return all
  }

  test('are written to the log by the first leader', () => {
    const all = VOTERS.map((node) => member(node, VOTERS))
    elect(all[0]!, all)
    expect(all[1]!.state.log.batches[0]?.voters).toEqual(VOTERS)
  })

  test('get another one when it has the log, and not before', () => {
    const all = led()
    const [a] = all
    expect(act(a!, (step) => expect(changeVoters(step, [0, 1, 2, 3])).toBe('REPLICA_NOT_AVAILABLE'))).toEqual([])
    converse(
      all,
      act(a!, (step) => addObserver(step, 3)),
      0,
    )
    const outputs = act(a!, (step) => expect(changeVoters(step, [0, 1, 2, 3])).toBeNull())
    expect(act(a!, (step) => expect(changeVoters(step, [0, 1, 3])).toBe('REASSIGNMENT_IN_PROGRESS'))).toEqual([])
    converse(all, [...outputs, ...settle(a!)], 0)
    expect(votersOf(all[3]!.state.log)).toEqual([0, 1, 2, 3])
    expect(act(a!, (step) => expect(changeVoters(step, [0, 1])).toBe('INVALID_REQUEST'))).toEqual([])
  })

  test('do not change before the leader has committed something of its epoch', () => {
    const a = member(0, [0], [1])
    act(a, startQuorum)
    act(a, (step) => expect(changeVoters(step, [0, 1])).toBe('NOT_CONTROLLER'))
  })

  test('may lose their leader, which then counts only the others and resigns when they have it', () => {
    const all = led()
    const [a, b, c] = all
    const outputs = act(a!, (step) => expect(changeVoters(step, [1, 2])).toBeNull())
    settle(a!)
    expect(a!.state.role).toBe('leader')
    const end = endOf(a!.state.log)
    converse([a!, b!], outputs, 0)
    expect(a!.state).toMatchObject({ role: 'leader' })
    expect(a!.state.highWatermark).toBeLessThan(end)
    converse([a!, b!, c!], outputs, 0)
    expect(a!.state).toMatchObject({ role: 'follower', highWatermark: end })
    expect(act(a!, onElectionTimeout)).toEqual([])
    // It said so: nobody had to miss it.
    expect(b!.state).toMatchObject({ role: 'leader', epoch: 3 })
  })

  test('go back when the batch that changed them is cut', () => {
    const b = member(1, VOTERS, [1])
    appendToLog(b.state.log, { ...entry(1, 2), voters: [0, 1] })
    tell(b, 2, { kind: 'quorumAppend', epoch: 3, prevOffset: 1, prevEpoch: 1, highWatermark: 0, records: entry(1, 3).bytes })
    expect(votersOf(b.state.log)).toEqual(VOTERS)
  })
})
