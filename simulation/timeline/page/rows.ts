/**
 * What stands below what on the page: faults, the chosen partition, nodes, clients, transactions. Heights are fixed, so that nothing jumps when time moves.
 */
import type { Timeline } from '../model.ts'
import { FAULT_GROUPS } from './fault-groups.ts'
import type { FaultGroup } from './fault-groups.ts'

/** One stripe of the page. */
export interface Row {
  readonly kind: 'faults' | 'reigns' | 'offsets' | 'node' | 'client' | 'transaction'
  readonly label: string
  readonly top: number
  readonly height: number
  /** Of a lane: its index. */
  readonly index: number
}

/** All rows, and where lanes are. */
export interface Rows {
  readonly all: readonly Row[]
  readonly height: number
  /** By lane: the middle of its row. */
  readonly laneMiddle: readonly number[]
}

/** Heights in pixels, by what a row shows. */
export const ROW_HEIGHTS: Readonly<Record<Row['kind'], number>> = {
  faults: 17,
  reigns: 22,
  offsets: 78,
  node: 46,
  client: 26,
  transaction: 24,
}

/** Between two sections. */
const GAP = 14

/** Where there is room, lanes are up to so many times as high. */
const STRETCH_MAX = 2

/** Rows of groups of faults that struck, of the partition, of lanes, and of transactional ids; lanes fill the room that is there, in pixels. */
export function rowsOf(timeline: Timeline, partition: string | null, room = 0): Rows {
  const least = stack(timeline, partition, 1)
  const lanes = least.all.filter(isLane).reduce((sum, { height }) => sum + height, 0)
  const stretch = 1 + (room - least.height) / Math.max(lanes, 1)
  return stretch <= 1 ? least : stack(timeline, partition, Math.min(stretch, STRETCH_MAX))
}

function isLane({ kind }: Row): boolean {
  return kind === 'node' || kind === 'client'
}

function stack(timeline: Timeline, partition: string | null, stretch: number): Rows {
  const all: Row[] = []
  let top = 6
  const add = (kind: Row['kind'], label: string, index: number): void => {
    const height = Math.floor(ROW_HEIGHTS[kind] * (kind === 'node' || kind === 'client' ? stretch : 1))
    all.push({ kind, label, top, height, index })
    top += height
  }
  groupsOf(timeline).forEach((group, index) => add('faults', `${group} faults`, index))
  top += GAP
  if (partition !== null) {
    add('reigns', partition, -1)
    add('offsets', 'high watermark', -1)
    top += GAP
  }
  timeline.lanes.forEach(({ name, isNode }, index) => {
    if (!isNode && timeline.lanes[index - 1]?.isNode === true) top += GAP / 2
    add(isNode ? 'node' : 'client', name, index)
  })
  top += GAP
  transactionalIds(timeline).forEach((id, index) => add('transaction', id, index))
  const lanes = all.filter(isLane)
  return { all, height: top + 6, laneMiddle: lanes.map((row) => row.top + row.height / 2) }
}

/** The groups of faults that struck, in a fixed order. */
export function groupsOf({ faults }: Timeline): FaultGroup[] {
  const kinds = new Set(faults.map(({ kind }) => kind))
  return FAULT_GROUPS.filter(({ has }) => [...kinds].some(has)).map(({ name }) => name)
}

/** All transactional ids, in the order in which they came. */
export function transactionalIds({ transactions }: Timeline): string[] {
  return [...new Set(transactions.map(({ transactionalId }) => transactionalId))].toSorted()
}
