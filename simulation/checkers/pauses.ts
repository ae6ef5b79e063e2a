/**
 * PAUSE: of a partition that is paused at most the chunk comes that was under way, until it is resumed, or begins anew. TOLD: a consumer that is asked what it would commit says how far its
 * application has said that it is.
 */
import type { World } from '../world.ts'

/** A partition as its application has it. */
export interface Pausable {
  readonly name: string
  isPaused: boolean
  /** Chunks that have come since it was paused. */
  chunksPaused: number
  /** What the application has said of its progress; -1: nothing. */
  reported: number
}

/** A partition begins: nobody has paused it. */
export function newPausable(name: string): Pausable {
  return { name, isPaused: false, chunksPaused: 0, reported: -1 }
}

/** The application pauses it, or resumes it. */
export function notePause(one: Pausable, isPaused: boolean): void {
  if (isPaused !== one.isPaused) one.chunksPaused = 0
  one.isPaused = isPaused
}

/** A chunk of its present session comes. */
export function checkPaused(world: World, one: Pausable): void {
  if (one.isPaused && ++one.chunksPaused > 1) world.fail('PAUSE', `${one.name} is paused, and chunk ${one.chunksPaused} comes`)
}

/** A consumer says what it would commit of it; nothing was said or sought since it was asked. */
export function checkProgressTold(world: World, { name, reported }: Pausable, offset: number): void {
  if (reported >= 0 && offset !== reported)
    world.fail('TOLD', `${offset} would be committed for ${name}, but its application is at ${reported}`)
}
