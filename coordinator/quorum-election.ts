/**
 * Who leads the metadata quorum: pre-votes (KIP-996), votes, and a leader that resigns when it no longer hears a majority (check-quorum). At most
 * one voter leads in an epoch, because each gives one vote and remembers it on its disk before it says so.
 */
import { assert } from '../protocol/assert.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import { appendToLog, endOf, lastEpochOf, votersBefore, votersEndOf, votersOf } from './quorum-log.ts'
import { leaderChangeBatch } from './quorum-records.ts'
import { advanceHighWatermark, heartbeat, newProgress } from './quorum-replication.ts'
import { addVote, armElection, draw, follow, majorityOf, persistVote, send } from './quorum-state.ts'
import type { QuorumState, QuorumStep } from './quorum-state.ts'

/** A member that hears of its leader's death waits no longer than this part of the time-out: only so that two do not begin together. */
const NEWS_DELAY_DIVISOR = 8

/** Each successor of a leader that has gone gives the one before it this part of the time-out. */
const SUCCESSION_DIVISOR = 2

/**
 * Whether this member may stand for election. It votes, or it does so until its removal is committed, for perhaps only it has that batch. And it
 * has a log, or is the first founder: so a quorum is always founded by the same voter, and those whose disks are empty do not win against a log.
 */
export function mayStand({ config, log, highWatermark }: QuorumState): boolean {
  const isFounded = endOf(log) > 0 || votersOf(log)[0] === config.node
  const isRemoved = votersEndOf(log) <= highWatermark || !votersBefore(log).includes(config.node)
  return isFounded && (votersOf(log).includes(config.node) || !isRemoved)
}

/** The election time-out is over. */
export function onElectionTimeout(step: QuorumStep): void {
  const { state } = step
  armElection(step)
  if (!mayStand(state)) return
  follow(step, -1)
  armElection(step)
  state.role = 'prospective'
  addVote(state, state.config.node, state.isDoubtful)
  if (hasMajority(state)) return campaign(step)
  askForVotes(step, true)
}

/** A process is known to be dead. If it was the leader, there is nothing to wait for. */
export function onNodeDown({ state, uptime, random }: QuorumStep, node: number): void {
  if (node !== state.leader || state.role === 'leader') return
  state.leaderIsDown = true
  state.electionAt = Math.min(state.electionAt, uptime + draw(random, state.config.electionTimeoutMillis / NEWS_DELAY_DIVISOR))
}

/** The leader has gone, and says who shall stand for election: the first at once, the others if nothing comes of that. */
export function onEndEpoch(step: QuorumStep, from: number, { successors }: MessageOf<'quorumEndEpoch'>): void {
  const { state, uptime } = step
  const { node, electionTimeoutMillis } = state.config
  const place = successors.indexOf(node)
  if (state.role === 'leader' || place < 0) return
  // Others may hear a pre-vote before they hear that the leader has gone: who was asked to stand does not ask first.
  if (place === 0 && mayStand(state)) return succeed(step)
  follow(step, from)
  state.leaderIsDown = true
  state.electionAt = Math.min(state.electionAt, uptime + (place * electionTimeoutMillis) / SUCCESSION_DIVISOR)
}

/** Somebody stands for election, or asks how it would go. The epoch is not older than ours. */
export function onVote(step: QuorumStep, from: number, { preVote, lastEpoch, endOffset }: MessageOf<'quorumVote'>): void {
  const { state } = step
  const isUpToDate = lastEpoch > lastEpochOf(state.log) || (lastEpoch === lastEpochOf(state.log) && endOffset >= endOf(state.log))
  const isFree = preVote ? !hasLivingLeader(step) : state.votedFor === -1 || state.votedFor === from
  const voteGranted = isUpToDate && isFree && state.role !== 'leader'
  if (voteGranted && !preVote) {
    if (state.votedFor !== from) {
      state.votedFor = from
      persistVote(step)
    }
    armElection(step)
  }
  const answer = { kind: 'quorumVoteResponse', epoch: state.epoch, preVote, voteGranted } as const
  send(step, from, voteGranted && state.isDoubtful ? { ...answer, isDoubtful: true } : answer)
}

/** Somebody has answered, in our epoch. */
export function onVoteResponse(step: QuorumStep, from: number, message: MessageOf<'quorumVoteResponse'>): void {
  const { state } = step
  const { preVote, voteGranted, isDoubtful = false } = message
  if (!voteGranted || state.role !== (preVote ? 'prospective' : 'candidate')) return
  addVote(state, from, isDoubtful)
  countVotes(step)
}

/** A vote has come, or our own has become durable. */
export function countVotes(step: QuorumStep): void {
  const { state } = step
  if (state.persistedSequence < state.voteSequence || !hasMajority(state)) return
  if (state.role === 'prospective') campaign(step)
  else if (state.role === 'candidate') lead(step)
}

/** A leader that has not heard a majority lately may have been replaced without knowing: it resigns. */
export function checkQuorum(step: QuorumStep): void {
  const { state, uptime } = step
  const voters = votersOf(state.log)
  const since = uptime - 2 * state.config.electionTimeoutMillis
  const heard = voters.filter((node) => node === state.config.node || (state.progress.get(node)?.heardAt ?? -Infinity) >= since)
  if (heard.length < majorityOf(voters)) follow(step, -1)
}

function hasLivingLeader({ state, uptime }: QuorumStep): boolean {
  if (state.role === 'leader') return true
  return state.leader >= 0 && !state.leaderIsDown && uptime - state.leaderHeardAt < state.config.electionTimeoutMillis
}

/**
 * What is committed is known to a majority of the voters, as far as they have lost nothing: so one of those whose word can be trusted is in every majority of such. Of
 * all voters more cannot be asked: whoever has most of the log has all that is left.
 */
function hasMajority({ log, votes, doubtfulVotes }: QuorumState): boolean {
  const voters = votersOf(log)
  if (voters.every((node) => votes.has(node) || doubtfulVotes.has(node))) return true
  return voters.filter((node) => votes.has(node)).length >= majorityOf(voters)
}

function succeed(step: QuorumStep): void {
  follow(step, -1)
  armElection(step)
  campaign(step)
}

/** Stands for election. The vote for itself counts when it is durable; only a sole voter may go ahead: nobody hears of it before. */
function campaign(step: QuorumStep): void {
  const { state } = step
  const { node } = state.config
  assert(mayStand(state), 'Q5 only a voter stands for election')
  state.epoch++
  state.votedFor = node
  state.matchedEndOffset = 0
  state.toldEndOffset = 0
  state.role = 'candidate'
  state.votes.clear()
  state.doubtfulVotes.clear()
  addVote(state, node, state.isDoubtful)
  persistVote(step)
  if (hasMajority(state)) return lead(step)
  askForVotes(step, false)
}

function askForVotes(step: QuorumStep, preVote: boolean): void {
  const { state } = step
  const { epoch, log, config } = state
  for (const to of votersOf(log)) {
    if (to === config.node) continue
    send(step, to, { kind: 'quorumVote', epoch, preVote, lastEpoch: lastEpochOf(log), endOffset: endOf(log) })
  }
}

/** Begins to lead: with a batch of its own epoch, because older ones are only committed along with it. */
function lead(step: QuorumStep): void {
  const { state, uptime, now } = step
  const { node } = state.config
  const { log } = state
  const voters = votersOf(log)
  assert(lastEpochOf(log) < state.epoch, 'Q6 nobody has led in this epoch before')
  state.role = 'leader'
  state.leader = node
  state.leaderIsDown = false
  for (const other of voters) if (other !== node) state.progress.set(other, newProgress(log, uptime))
  for (const other of state.observers) state.progress.set(other, newProgress(log, uptime))
  const batch = leaderChangeBatch({ baseOffset: endOf(log), epoch: state.epoch, now }, node, voters, votersEndOf(log) === 0)
  appendToLog(log, batch)
  state.epochEndOffset = batch.endOffset
  // The sole voter has been elected when its vote is durable.
  if (state.persistedSequence === state.voteSequence) step.outputs.push({ kind: 'elected' })
  step.outputs.push({ kind: 'append', batch })
  heartbeat(step)
  advanceHighWatermark(step)
}
