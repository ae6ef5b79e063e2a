/**
 * Where a node ends: not at a drawn time, but at a step that its disk takes with one of its logs, however seldom it takes it; and often once more when it has hardly begun to recover.
 */
import type { StorageEffect } from '../actors/effect.ts'
import type { DiskStage, DiskStep } from './disk.ts'
import type { Random } from './random.ts'

/** How a node dies. */
export type Death = 'kill' | 'powerLoss'

/** The step at which a node is to die: at a stage of such a step of a log, or after so many steps. */
export interface LastStep {
  readonly log: string
  /** Null: any. */
  readonly kind: StorageEffect['kind'] | null
  /** Such a file, as `likeness` has it; null: any. */
  readonly like: string | null
  readonly stage: DiskStage
  /** So many such steps are taken before. */
  steps: number
  /** Nothing happens later, in virtual microseconds. */
  readonly until: number
  readonly isPowerLoss: boolean
  /** Whether the next life has such a step, too. */
  readonly isRepeated: boolean
}

/** By node. */
export type LastSteps = Map<number, LastStep>

/** A step is waited for so long, in microseconds, and the next life ends after so many steps at most. */
export const PATIENCE_MICROS = 2_500_000
const STEPS_MAX = 16

/** What files of one kind have in common: their names without numbers. */
export function likeness(file: string): string {
  return file.replaceAll(/\d+/g, '')
}

/** How a node dies at this step of its disk; null: it goes on. */
export function deathAt(last: LastSteps, { node, stage, effect }: DiskStep, nowMicros: number, random: Random): Death | null {
  const one = last.get(node)
  if (one === undefined) return null
  const { log, isPowerLoss, isRepeated, until } = one
  if (nowMicros > until) last.delete(node)
  const isIt = stage === one.stage && effect.kind !== 'listLogs' && effect.log === log && isLike(one, effect)
  if (!isIt || nowMicros > until || one.steps-- > 0) return null
  last.delete(node)
  if (isRepeated)
    last.set(node, {
      log,
      kind: null,
      like: null,
      stage: random.pick<DiskStage>(['before', 'between', 'after']),
      steps: random.below(STEPS_MAX),
      until: nowMicros + PATIENCE_MICROS,
      isPowerLoss: random.below(3) > 0,
      isRepeated: random.below(4) === 0,
    })
  return isPowerLoss ? 'powerLoss' : 'kill'
}

function isLike({ kind, like }: LastStep, effect: StorageEffect): boolean {
  if (kind === null) return true
  return effect.kind === kind && (!('file' in effect) || like === null || likeness(effect.file) === like)
}
