/**
 * LOSS: that what a partition held is lost is written down when its only replica comes back with nothing, and whoever leads the quorum when that is committed says so, at once: nobody else will. What was in the log of a coordinator when
 * it was opened is of another life.
 */
import { batchesBehind } from '../../actors/coordinator-quorum.ts'
import type { CoordinatorState } from '../../actors/coordinator.ts'
import type { Effect } from '../../actors/effect.ts'
import { endOf } from '../../coordinator/quorum-log.ts'
import type { QuorumState } from '../../coordinator/quorum-state.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { World } from '../world.ts'

/** A loss that is committed: where its batch ends, and whose it is. */
interface Loss {
  readonly endOffset: number
  readonly name: string
}

/** What one coordinator knows of losses, in one life of its log. */
export interface KnownLosses {
  quorum: QuorumState | null
  /** How far its log has been looked at. */
  seenEnd: number
  /** What it has not led with yet. */
  unled: Loss[]
}

/** A coordinator begins a life. */
export function noLosses(): KnownLosses {
  return { quorum: null, seenEnd: 0, unled: [] }
}

/** A coordinator has handled a message; `told` is what any of them has said so far. */
export function checkLossesTold(
  world: World,
  told: Set<string>,
  known: KnownLosses,
  { seat }: CoordinatorState,
  effects: readonly Effect[],
): void {
  const { quorum, image, isActive } = seat
  if (quorum !== known.quorum) Object.assign(known, { quorum, seenEnd: quorum === null ? 0 : endOf(quorum.log), unled: [] })
  if (quorum === null) return
  if (image.endOffset > known.seenEnd) {
    for (const [endOffset, records] of batchesBehind(seat, known.seenEnd) ?? []) {
      for (const record of records) {
        if (record.type !== 'partitionChanged' || record.anew !== true) continue
        const loss = { endOffset, name: topicPartitionName(image.names.get(record.topicId) ?? '', record.partition) }
        if (effects.some((effect) => effect.kind === 'report' && effect.reason.includes(loss.name))) told.add(keyOf(loss))
        known.unled.push(loss)
      }
    }
    known.seenEnd = image.endOffset
  }
  if (!isActive) return
  const silent = known.unled.find((loss) => !told.has(keyOf(loss)))
  if (silent !== undefined) world.fail('LOSS', `what ${silent.name} held is lost with its disk, and nobody says so`)
  known.unled = []
}

function keyOf({ endOffset, name }: Loss): string {
  return `${endOffset}/${name}`
}
