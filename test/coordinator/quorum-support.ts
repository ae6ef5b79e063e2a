// Members of a quorum without disks, time or chance: a test hands over each message and each answer of the disk itself.

import { endOf, newQuorumLog, emptySnapshot, appendToLog } from '../../coordinator/quorum-log.ts'
import { onElectionTimeout } from '../../coordinator/quorum-election.ts'
import { dataBatch } from '../../coordinator/quorum-records.ts'
import type { QuorumBatch } from '../../coordinator/quorum-records.ts'
import { newQuorumState } from '../../coordinator/quorum-state.ts'
import type { QuorumOutput, QuorumState, QuorumStep } from '../../coordinator/quorum-state.ts'
import { onLogSynced, onQuorumMessage, onVotePersisted } from '../../coordinator/quorum.ts'
import type { QuorumMessage } from '../../protocol/messages/quorum.ts'

/** One member, and the clock that its test sets. */
export interface TestMember {
  readonly node: number
  readonly state: QuorumState
  uptime: number
}

/** A batch of one record. */
export function entry(baseOffset: number, epoch: number, value = 'x'): QuorumBatch {
  return dataBatch({ baseOffset, epoch, now: 0 }, [new TextEncoder().encode(value)])
}

/** A member whose synced log holds one batch per given epoch. */
export function member(
  node: number,
  voters: readonly number[],
  epochs: readonly number[] = [],
  epoch: number = epochs.at(-1) ?? 0,
): TestMember {
  const log = newQuorumLog(emptySnapshot(voters))
  for (const one of epochs) appendToLog(log, entry(endOf(log), one))
  const config = { node, electionTimeoutMillis: 100, heartbeatMillis: 20, appendBytesMax: 1000 }
  return { node, state: newQuorumState(config, { epoch, votedFor: -1, log, syncedEndOffset: endOf(log), isDoubtful: false }), uptime: 1000 }
}

/** Does something to a member; what it wants done. */
export function act({ state, uptime }: TestMember, input: (step: QuorumStep) => void): QuorumOutput[] {
  const outputs: QuorumOutput[] = []
  input({ state, uptime, now: 0, random: 0, outputs })
  return outputs
}

/** Hands over a message. */
export function tell(to: TestMember, from: number, message: QuorumMessage): QuorumOutput[] {
  return act(to, (step) => onQuorumMessage(step, from, message))
}

/** Its disk has done everything. */
export function settle(one: TestMember): QuorumOutput[] {
  return [
    ...act(one, (step) => onVotePersisted(step, one.state.voteSequence)),
    ...act(one, (step) => onLogSynced(step, endOf(one.state.log))),
  ]
}

/** The messages among what a member wants done. */
export function messages(outputs: readonly QuorumOutput[]): { readonly to: number; readonly message: QuorumMessage }[] {
  return outputs.filter((output) => output.kind === 'send').map(({ to, message }) => ({ to, message }))
}

/** Carries messages between members, and lets their disks work, until nobody has anything to say. Who is not among them hears nothing. */
export function converse(members: readonly TestMember[], outputs: readonly QuorumOutput[], from: number): QuorumOutput[] {
  const all = [...outputs]
  const queue = messages(outputs).map((one) => ({ ...one, from }))
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const to = members.find(({ node }) => node === next?.to)
    if (to === undefined) continue
    const more = [...tell(to, next.from, next.message), ...settle(to)]
    all.push(...more)
    queue.push(...messages(more).map((one) => ({ ...one, from: to.node })))
  }
  return all
}

/** Lets a member win an election among these members. */
export function elect(candidate: TestMember, members: readonly TestMember[]): QuorumOutput[] {
  for (const one of members) one.uptime += 1000
  return converse(members, [...act(candidate, onElectionTimeout), ...settle(candidate)], candidate.node)
}
