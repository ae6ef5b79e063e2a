/**
 * One partition as the metadata knows it: who has it, who is in sync, who leads; and the rules of how that may change. Every change is one record that
 * holds the whole new image, so that nobody has to put pieces together (KIP-497, KIP-966).
 *
 *   leader epoch      grows whenever a leader is elected, or there is none any more; fences whoever does not know of it
 *   partition epoch   grows with every change; a change that was thought out for an older image is refused
 *   ISR               whoever has everything below the high watermark; the leader is one of them while there is a leader
 *   ELR               left the ISR while it was smaller than `minInsyncReplicas` asks for: the high watermark stood still since, so they may lead
 *   last known        gave up because they doubt their logs, and nobody has led since: they lead when nobody is in sync or eligible any more (decision 28)
 */
import { assert } from '../protocol/assert.ts'

/** Nobody leads. */
export const NO_LEADER = -1

/** A partition in the image. Node ids throughout; `replicas` begins with the preferred leader. */
export interface PartitionImage {
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly elr: readonly number[]
  readonly leader: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  /** Replicas that a reassignment brings; they are in `replicas` already. The others are what giving up leaves. */
  readonly adding: readonly number[]
  /** Replicas that a reassignment takes away once the new ones are in sync. One that is in `adding`, too, is from an earlier target, and still needed. */
  readonly removing: readonly number[]
  /** Were in sync or eligible, and doubt that they have all of it; nobody has led since (KIP-966's last known leader). Not there: nobody. */
  readonly lastKnown?: readonly number[]
}

/** What an election has to know of the world. */
export interface Electorate {
  /** Whether a node is there and not fenced. */
  isLive(node: number): boolean
  /** Whether a node that has stopped may be back soon. */
  isResting(node: number): boolean
  /** In-sync replicas below which the high watermark stands still. */
  readonly minInsync: number
  /** Whether somebody who has fallen behind may lead when nobody else is left. */
  readonly unclean: boolean
}

/** How a replica is damaged: some batches are; or there may have been more of it; or it cannot be opened at all. */
export type Damage = 'partial' | 'doubtful' | 'total'

/** A new partition: all live replicas are in sync, for there is nothing yet. If none is, nobody leads before one is. */
export function newPartition(replicas: readonly number[], isLive: (node: number) => boolean): PartitionImage {
  const live = replicas.filter(isLive)
  const isr = live.length > 0 ? live : replicas.slice(0, 1)
  return { replicas, isr, elr: [], leader: live[0] ?? NO_LEADER, leaderEpoch: 0, partitionEpoch: 0, adding: [], removing: [] }
}

/** The in-sync replicas that an append needs: what the topic says, but not more than there are; -1 stands for a majority. */
export function minInsyncOf(setting: number, replicaCount: number): number {
  if (setting < 0) return Math.floor(replicaCount / 2) + 1
  return Math.min(setting, Math.max(1, replicaCount))
}

/** The partition with another ISR, proposed by its leader. Who leaves one that becomes too small stays eligible. */
export function withIsr(partition: PartitionImage, isr: readonly number[], minInsync: number): PartitionImage {
  assert(isr.includes(partition.leader), 'E1 the leader is in sync')
  const ordered = partition.replicas.filter((node) => isr.includes(node))
  return changed(partition, { isr: ordered, elr: eligible(partition, ordered, minInsync) })
}

/** The partition of nodes that stop together: nobody leads, and whoever is in sync stays that, for nothing is committed until they are back. Null if nothing changes. */
export function withoutLeader(partition: PartitionImage): PartitionImage | null {
  return partition.leader === NO_LEADER ? null : leaderless(partition, partition.isr, partition.elr)
}

/** The partition without a node that is fenced: out of the ISR unless nobody else there is live, and somebody else leads. Null if nothing changes. */
export function withoutNode(partition: PartitionImage, node: number, electorate: Electorate): PartitionImage | null {
  if (!partition.isr.includes(node) && partition.leader !== node) return null
  const others = partition.isr.filter((other) => other !== node)
  const isr = others.some((other) => electorate.isLive(other)) ? others : partition.isr
  const elr = eligible(partition, isr, electorate.minInsync)
  if (partition.leader === NO_LEADER && isr === partition.isr) return null
  if (partition.leader !== node) return changed(partition, { isr, elr })
  return elected({ ...partition, isr, elr }, electorate) ?? leaderless(partition, isr, elr)
}

/**
 * A node has come back and may have lost what it had: it is neither in sync nor eligible any more. If it was the last that was, it stays
 * (`mayBeLast`: there may be something left of it), or nobody is. Null if nothing changes.
 */
export function withoutLoser(partition: PartitionImage, node: number, electorate: Electorate, mayBeLast: boolean): PartitionImage | null {
  if (!isCounted(partition, node)) return mayBeLast ? null : withoutLastKnown(partition, node)
  const isr = partition.isr.filter((other) => other !== node)
  const elr = partition.elr.filter((other) => other !== node)
  if (isr.length === 0 && elr.length === 0 && mayBeLast) return null
  if (isr.length > 0 && partition.leader !== node) return changed(partition, { isr, elr })
  return elected({ ...partition, isr, elr }, electorate) ?? leaderless(partition, isr, elr)
}

/**
 * A node has found its log damaged: it is neither in sync nor eligible any more. One that only doubts that it has everything is known as the last that may have it, until
 * somebody leads. If it was the last that was counted on, it stays (there may be something left of it), unless all of it is lost and somebody else may lead. Null if nothing changes.
 */
export function withdrawn(partition: PartitionImage, node: number, electorate: Electorate, damage: Damage): PartitionImage | null {
  if (!isCounted(partition, node)) return null
  const leaderEpoch = partition.leaderEpoch + 1
  const others: Electorate = { ...electorate, isLive: (other) => other !== node && electorate.isLive(other) }
  const left = withoutLoser(partition, node, { ...others, unclean: false }, true)
  if (left === null) return damage === 'total' ? elected({ ...partition, isr: [], elr: [] }, others) : null
  const isLast = damage === 'doubtful' && left.leader === NO_LEADER
  return { ...left, leaderEpoch, ...(isLast ? { lastKnown: [...(partition.lastKnown ?? []), node] } : {}) }
}

/**
 * Elects a leader where there is none, now that a node is live again, or let go of. Who was in sync when all stopped together, and is not back in time, is not in sync any
 * more. Null if there is a leader, or nobody may be one.
 */
export function withLeader(partition: PartitionImage, electorate: Electorate): PartitionImage | null {
  const led = partition.leader === NO_LEADER ? elected(partition, electorate) : null
  if (led === null) return null
  const isr = led.isr.filter((node) => electorate.isLive(node) || electorate.isResting(node))
  return isr.length === led.isr.length ? led : { ...led, isr, elr: eligible(led, isr, electorate.minInsync) }
}

/**
 * Nobody may have anything of the partition any more: it begins anew with a node that is live again, and what that has. Null while somebody may have something, be it
 * one that is not there, or one that doubts its log.
 */
export function withNewBeginning(partition: PartitionImage, node: number): PartitionImage | null {
  const { isr, elr, leaderEpoch, lastKnown } = partition
  if (isr.length > 0 || elr.length > 0 || lastKnown !== undefined) return null
  return changed(partition, { isr: [node], leader: node, leaderEpoch: leaderEpoch + 1 })
}

/**
 * Nobody has led the partition since it was created, so that there is nothing of it that anybody could lack: it begins with a node that is live now, be it another one than was
 * named, or one that has lost what it had. Not with one that a reassignment brings. Null if somebody has led.
 */
export function withFirstLeader(partition: PartitionImage, node: number): PartitionImage | null {
  const { leader, leaderEpoch, adding } = partition
  if (leader !== NO_LEADER || leaderEpoch > 0 || adding.includes(node)) return null
  return changed(partition, { isr: [node], leader: node, leaderEpoch: leaderEpoch + 1 })
}

/** The preferred leader leads again, if it is in sync and live. Null if nothing changes. */
export function withPreferredLeader(partition: PartitionImage, electorate: Electorate): PartitionImage | null {
  const preferred = partition.replicas[0]
  if (preferred === undefined || preferred === partition.leader || partition.leader === NO_LEADER) return null
  if (!partition.isr.includes(preferred) || !electorate.isLive(preferred)) return null
  return changed(partition, { leader: preferred, leaderEpoch: partition.leaderEpoch + 1 })
}

/** The leader asks to be relieved (its disk failed): somebody else leads, or, if there is nobody else, the same one in another epoch. */
export function withOtherLeader(partition: PartitionImage, electorate: Electorate): PartitionImage {
  const { leader, leaderEpoch } = partition
  const others: Electorate = { ...electorate, unclean: false, isLive: (node) => node !== leader && electorate.isLive(node) }
  return elected(partition, others) ?? changed(partition, { leaderEpoch: leaderEpoch + 1 })
}

/**
 * Begins to move the partition to other replicas: the new ones are added, the old ones stay until those are in sync. What it had before the first of several moves
 * in a row stays known (KIP-455): whatever is in `adding` is not of that.
 */
export function withTarget(partition: PartitionImage, target: readonly number[]): PartitionImage {
  const unwanted = (node: number): boolean => !target.includes(node)
  const present = partition.replicas.filter((node) => !partition.adding.includes(node))
  const removing = partition.replicas.filter(unwanted)
  return changed(partition, {
    replicas: [...target, ...removing],
    adding: [...target.filter((node) => !present.includes(node)), ...partition.adding.filter(unwanted)],
    removing,
  })
}

/**
 * Takes away what earlier targets were bringing and this one does not want, unless somebody counts on it: who is in sync or eligible goes with the old ones. A new
 * leader epoch begins, as when a reassignment ends. Null if nothing changes.
 */
export function withoutUnwanted(partition: PartitionImage): PartitionImage | null {
  const { replicas, adding, removing, isr, elr, leaderEpoch } = partition
  const stays = (node: number): boolean => !adding.includes(node) || !removing.includes(node) || isr.includes(node) || elr.includes(node)
  if (replicas.every(stays)) return null
  return changed(partition, {
    replicas: replicas.filter(stays),
    adding: adding.filter(stays),
    removing: removing.filter(stays),
    leaderEpoch: leaderEpoch + 1,
  })
}

/**
 * Other settings of the topic: nobody is eligible where the high watermark now moves without them; where nobody may lead, somebody may now perhaps.
 * Null if nothing changes.
 */
export function withSettings(partition: PartitionImage, electorate: Electorate): PartitionImage | null {
  const isCleared = partition.elr.length > 0 && partition.isr.length >= electorate.minInsync
  const cleared = isCleared ? changed(partition, { elr: [] }) : null
  return withLeader(cleared ?? partition, electorate) ?? cleared
}

/** Replicas that a partition has, not counting those that a reassignment brings. */
export function replicaCountOf({ replicas, adding }: PartitionImage): number {
  return Math.max(1, replicas.length - adding.length)
}

/** Replicas that it has when the reassignment is over, if there is one. */
export function targetCountOf({ replicas, removing }: PartitionImage): number {
  return Math.max(1, replicas.length - removing.length)
}

/**
 * Ends a reassignment whose new replicas are all in sync: the old ones go, and lead no more. A new leader epoch begins, whoever leads, so that what an old one has
 * still to say does not count for it when it is given the partition again, empty (KAFKA-15021). Null while it is not so. `electorate`: as it will be when the
 * reassignment is over.
 */
export function withTargetReached(partition: PartitionImage, electorate: Electorate): PartitionImage | null {
  const { replicas, adding, removing, leader } = partition
  if (adding.length === 0 && removing.length === 0) return null
  const stays = (node: number): boolean => !removing.includes(node)
  const isr = partition.isr.filter(stays)
  if (!adding.every((node) => isr.includes(node) || removing.includes(node)) || isr.length === 0) return null
  if (isr.length < Math.min(partition.isr.length, electorate.minInsync)) return null
  const elr = isr.length >= electorate.minInsync ? [] : partition.elr.filter(stays)
  const moved = { ...partition, replicas: replicas.filter(stays), isr, elr, adding: [], removing: [] }
  return stays(leader) ? changed(moved, { leaderEpoch: partition.leaderEpoch + (removing.length > 0 ? 1 : 0) }) : elected(moved, electorate)
}

/**
 * The first replica, in order of preference, that is live and in sync; else one that is eligible; else, if there are none of these any more, one that was the last and
 * doubts its log; else, if the topic allows that, any live one, unless one of those before may be back soon.
 */
function elected(partition: PartitionImage, electorate: Electorate): PartitionImage | null {
  const { replicas, isr, elr } = partition
  const live = replicas.filter((node) => electorate.isLive(node))
  const leaderEpoch = partition.leaderEpoch + 1
  const inSync = live.find((node) => isr.includes(node))
  if (inSync !== undefined) return changed(partition, { leader: inSync, leaderEpoch })
  // Who is elected from outside of the ISR is the new ISR: the others may have less above the high watermark, or other records. They have all below.
  const other = live.find((node) => elr.includes(node))
  if (other !== undefined) {
    return changed(partition, { isr: [other], elr: eligible(partition, [other], electorate.minInsync), leader: other, leaderEpoch })
  }
  const last = isr.length === 0 && elr.length === 0 ? live.find((node) => partition.lastKnown?.includes(node)) : undefined
  if (last !== undefined) return changed(partition, { isr: [last], leader: last, leaderEpoch })
  const any = [...isr, ...elr].some((node) => electorate.isResting(node)) ? undefined : live[0]
  return electorate.unclean && any !== undefined ? changed(partition, { isr: [any], elr: [], leader: any, leaderEpoch }) : null
}

function leaderless(partition: PartitionImage, isr: readonly number[], elr: readonly number[]): PartitionImage {
  return changed(partition, { isr, elr, leader: NO_LEADER, leaderEpoch: partition.leaderEpoch + 1 })
}

function eligible(partition: PartitionImage, isr: readonly number[], minInsync: number): number[] {
  if (isr.length >= minInsync) return []
  return partition.replicas.filter((node) => !isr.includes(node) && (partition.isr.includes(node) || partition.elr.includes(node)))
}

function isCounted({ isr, elr }: PartitionImage, node: number): boolean {
  return isr.includes(node) || elr.includes(node)
}

function withoutLastKnown(partition: PartitionImage, node: number): PartitionImage | null {
  const { lastKnown = [] } = partition
  if (!lastKnown.includes(node)) return null
  return changed(partition, { lastKnown: lastKnown.filter((other) => other !== node) })
}

/** Another image, with the next partition epoch. Once somebody leads, or all of them are gone, nobody is the last known any more. */
function changed(partition: PartitionImage, change: Partial<PartitionImage>): PartitionImage {
  const { lastKnown = [], ...next } = { ...partition, ...change, partitionEpoch: partition.partitionEpoch + 1 }
  return next.leader === NO_LEADER && lastKnown.length > 0 ? { ...next, lastKnown } : next
}
