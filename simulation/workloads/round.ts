/**
 * One round of an application that commits by hand (pipeline.ts, reader.ts): where it began in each partition, and how far it has come.
 */
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { CommittedOffset, TopicOffset } from '../../protocol/messages/group.ts'
import { markHandled, noteCommitted } from '../checkers/groups.ts'
import type { GroupTruth } from '../checkers/groups.ts'
import { lifeOf } from '../truth.ts'

/** From the first record after a commit to the next commit. */
export class Round {
  readonly #starts: Map<string, TopicPartition & { readonly offset: number }> = new Map()
  readonly #floors: Map<string, number> = new Map()
  readonly #ends: Map<string, CommittedOffset> = new Map()
  /** It takes records. */
  isOpen = false
  /** It is to end as soon as it can. */
  hasEnd = false
  /** Somebody else has partitions of it by now. */
  isLost = false
  /** What is done when it is over. */
  readonly onOver: (() => void)[] = []

  /** A record is to be handled: a partition begins there, if it has not begun. */
  begin({ topic, partition }: TopicPartition, offset: number): void {
    const name = topicPartitionName(topic, partition)
    if (!this.#starts.has(name)) this.#starts.set(name, { topic, partition, offset })
  }

  /** A record was handled; `floor`: everything from there on was read. */
  note({ topic, partition, floor }: TopicPartition & { readonly floor: number }, offset: number): void {
    const name = topicPartitionName(topic, partition)
    this.begin({ topic, partition }, offset)
    this.#floors.set(name, floor)
    this.#ends.set(name, { topic, partition, offset: offset + 1, metadata: '' })
  }

  /** A partition is gone, or begins anew elsewhere: nothing of the round may count, and there is no way back in it. */
  lose(name: string): void {
    this.isLost = true
    this.#starts.delete(name)
    this.#ends.delete(name)
  }

  /** It has begun in that partition, and the partition is still there. */
  has(name: string): boolean {
    return this.#starts.has(name)
  }

  /** Where it began. */
  starts(): (TopicPartition & { readonly offset: number })[] {
    return [...this.#starts.values()]
  }

  /** What it would commit. */
  offsets(): CommittedOffset[] {
    return [...this.#ends.values()]
  }

  /** The commit is asked for: whoever comes next may find that these are processed. */
  noteAsked(group: GroupTruth, offsets: readonly TopicOffset[]): void {
    for (const { topic, partition, offset, topicId } of offsets) {
      const name = topicPartitionName(topic, partition)
      const life = lifeOf(group.truth, name, topicId)
      if (life !== undefined) markHandled(group, life, this.#floors.get(name) ?? offset, offset)
    }
  }

  /** The commit is answered: nobody may forget it. */
  noteCommitted(group: GroupTruth, offsets: readonly TopicOffset[]): void {
    for (const one of offsets) noteCommitted(group, one)
  }
}
