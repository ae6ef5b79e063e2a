/**
 * What must hold in a metadata quorum, seen from outside its members. 2LDR: an epoch has one leader. EPO: a member's epoch never goes back, and it votes
 * once in an epoch. LOST: what is committed is durable on a majority of the voters, and every later leader has it. DIV: committed batches are the
 * same everywhere. META: every image is what the committed log says. ACK: nobody acknowledges what is not durable.
 */
import { epochBefore, votersOf } from '../../coordinator/quorum-log.ts'
import type { QuorumState } from '../../coordinator/quorum-state.ts'
import { crc } from '../../protocol/record-batch.ts'
import type { QuorumMessage } from '../../protocol/messages/quorum.ts'
import type { World } from '../world.ts'

/** A committed batch. */
interface Committed {
  readonly baseOffset: number
  readonly endOffset: number
  readonly epoch: number
  readonly crc: number
  /** The epoch whose leader committed it. */
  readonly committedIn: number
}

/** What is known of a quorum. */
export interface QuorumTruth {
  readonly world: World
  readonly leaders: Map<number, number>
  /** By end offset. */
  readonly committed: Map<number, Committed>
  committedEnd: number
  /** By end offset: what an image is there. */
  readonly images: Map<number, number>
  /** By member and epoch: whom it voted for. */
  readonly votes: Map<string, number>
  /** By member: the newest epoch that it has spoken in. */
  readonly spoken: Map<number, number>
}

/** Whether a member's disk has the batch that ends there, safely. */
export type IsDurable = (node: number, endOffset: number, epoch: number) => boolean

/** Nothing has happened yet. */
export function newQuorumTruth(world: World): QuorumTruth {
  return {
    world,
    leaders: new Map(),
    committed: new Map(),
    committedEnd: 0,
    images: new Map(),
    votes: new Map(),
    spoken: new Map(),
  }
}

/** A member begins a life with what its disk has kept. */
export function checkRecovered(truth: QuorumTruth, node: number, epoch: number): void {
  const spoken = truth.spoken.get(node) ?? 0
  if (epoch < spoken) truth.world.fail('EPO', `node ${node} begins in epoch ${epoch}, but has spoken in ${spoken}`)
}

/** A member does not know any more which epochs it has spoken in. */
export function forgetSpoken({ spoken }: QuorumTruth, node: number): void {
  spoken.delete(node)
}

/** A member has been elected. */
export function checkElected(truth: QuorumTruth, node: number, state: QuorumState): void {
  const other = truth.leaders.get(state.epoch)
  // A sole voter that dies before anything leaves it may lead again in the same epoch: nobody has heard of the first time.
  if (other !== undefined && other !== node) truth.world.fail('2LDR', `epoch ${state.epoch} has the leaders ${other} and ${node}`)
  truth.leaders.set(state.epoch, node)
  // What a later leader has committed meanwhile is no business of one that is late.
  const last = [...truth.committed.values()].findLast((one) => one.committedIn < state.epoch)
  if (last === undefined || last.endOffset <= state.log.snapshot.endOffset) return
  if (epochBefore(state.log, last.endOffset) !== last.epoch)
    truth.world.fail('LOST', `node ${node} leads epoch ${state.epoch} without the batch that ends at ${last.endOffset}`)
}

/** A member decides something as the leader, with an image that goes up to `appliedEnd`. */
export function checkActing(truth: QuorumTruth, node: number, epoch: number, appliedEnd: number): void {
  const last = [...truth.committed.values()].findLast((one) => one.committedIn < epoch)
  if (last !== undefined && last.endOffset > appliedEnd)
    truth.world.fail('META', `node ${node} leads epoch ${epoch} with an image of ${appliedEnd}, but ${last.endOffset} was committed before`)
}

/** A message leaves a member. */
export function checkSent(truth: QuorumTruth, node: number, to: number, message: QuorumMessage, durableEnd: number): void {
  truth.spoken.set(node, Math.max(truth.spoken.get(node) ?? 0, message.epoch))
  if (message.kind === 'quorumAppendResponse' && message.isMatch && message.endOffset > durableEnd)
    truth.world.fail('ACK', `node ${node} acknowledges ${message.endOffset}, but only ${durableEnd} is durable`)
  if (message.kind !== 'quorumVoteResponse' || message.preVote || !message.voteGranted || message.isDoubtful === true) return
  const key = `${node}/${message.epoch}`
  const before = truth.votes.get(key)
  if (before !== undefined && before !== to) truth.world.fail('EPO', `node ${node} votes for ${before} and ${to} in epoch ${message.epoch}`)
  truth.votes.set(key, to)
}

/** The high watermark of a member has moved from `before` on. */
export function checkCommitted(truth: QuorumTruth, node: number, state: QuorumState, before: number, isDurable: IsDurable): void {
  for (const batch of state.log.batches) {
    if (batch.endOffset <= before) continue
    if (batch.endOffset > state.highWatermark) break
    const { baseOffset, endOffset, epoch, bytes } = batch
    const known = truth.committed.get(endOffset)
    const one = { baseOffset, endOffset, epoch, crc: crc(bytes, 0), committedIn: known?.committedIn ?? state.epoch }
    if (known === undefined && batch.baseOffset < truth.committedEnd)
      truth.world.fail(
        'DIV',
        `node ${node} commits a batch that ends at ${batch.endOffset}: others have committed up to ${truth.committedEnd}`,
      )
    else if (known !== undefined && (known.epoch !== one.epoch || known.crc !== one.crc))
      truth.world.fail('DIV', `the batch that ends at ${batch.endOffset} is of epoch ${known.epoch}, and ${one.epoch} on node ${node}`)
    truth.committed.set(batch.endOffset, one)
  }
  truth.committedEnd = Math.max(truth.committedEnd, state.highWatermark)
  if (state.role !== 'leader') return
  const epoch = epochBefore(state.log, state.highWatermark) ?? -1
  const voters = votersOf(state.log)
  const holders = voters.filter((voter) => isDurable(voter, state.highWatermark, epoch))
  if (holders.length <= voters.length / 2)
    truth.world.fail(
      'LOST',
      `node ${node} commits ${state.highWatermark}, which only ${holders.join(', ') || 'nobody'} of ${voters.join(', ')} has safely`,
    )
}

/** A member's image, as a number, at an offset. */
export function checkImage(truth: QuorumTruth, node: number, endOffset: number, image: number): void {
  const known = truth.images.get(endOffset)
  if (known !== undefined && known !== image) truth.world.fail('META', `node ${node} has another image at ${endOffset} than others`)
  truth.images.set(endOffset, image)
}
