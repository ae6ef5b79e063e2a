// A mutant of a history: something sound, and the smallest damage that breaks one promise.

import { newTruth, partitionTruth } from '../../../simulation/truth.ts'
import type { PartitionTruth, Truth } from '../../../simulation/truth.ts'
import { World } from '../../../simulation/world.ts'
import { defaultTopicConfig } from '../../../protocol/topic-config.ts'
import type { TopicConfig } from '../../../protocol/topic-config.ts'

/** A history that can be damaged. */
export interface Damaged {
  /** What a checker must say of it when it is damaged. */
  readonly code: string
  /** What the damage is. */
  readonly what: string
  /** Plays the history, damaged or not, and says what a checker has said. */
  readonly play: (isDamaged: boolean) => string | null
}

/** A partition of which nothing is known. */
export interface Scene {
  readonly truth: Truth
  readonly partition: PartitionTruth
}

/** A history over the truth of one partition. */
export function inScene(
  code: string,
  what: string,
  play: (scene: Scene, isDamaged: boolean) => void,
  settings: Partial<TopicConfig> = {},
): Damaged {
  return {
    code,
    what,
    play: (isDamaged) => {
      const truth = newTruth(new World(1), [])
      const partition = partitionTruth(truth, 'orders-0', 1, { ...defaultTopicConfig, ...settings })
      play({ truth, partition }, isDamaged)
      return truth.world.violation?.code ?? null
    },
  }
}
