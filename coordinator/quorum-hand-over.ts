/**
 * How the leader of the metadata quorum goes without an election time-out (KIP-595, EndQuorumEpoch; Raft's leadership transfer): it ends its epoch, and tells
 * all voters in which order they shall stand for election. The first does so at once, without a pre-vote: its leader has asked for it. If nobody hears
 * of it, the time-out does what it always does. It does NOT wait until others have everything: whoever calls it decides when.
 */
import { votersOf } from './quorum-log.ts'
import { follow, send } from './quorum-state.ts'
import type { QuorumStep } from './quorum-state.ts'

/** The leader resigns in favour of the others, if there are any. */
export function endEpoch(step: QuorumStep): void {
  const { state } = step
  const successors = successorsOf(step)
  if (state.role !== 'leader' || successors.length === 0) return
  for (const node of successors) send(step, node, { kind: 'quorumEndEpoch', epoch: state.epoch, successors })
  follow(step, -1)
}

/** The other voters: whoever has most of the log first, and of those who have as much the one that was heard last. */
function successorsOf({ state }: QuorumStep): number[] {
  const { config, log, progress } = state
  const [has, heardAt] = [(node: number) => progress.get(node)?.matchOffset ?? 0, (node: number) => progress.get(node)?.heardAt ?? 0]
  const others = votersOf(log).filter((node) => node !== config.node)
  return others.toSorted((a, b) => has(b) - has(a) || heardAt(b) - heardAt(a) || a - b)
}
