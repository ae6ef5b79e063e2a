/**
 * What a consumer that commits by hand was given and has not committed: when its group takes such a partition away, the next commit of everything says so, for it
 * cannot commit that any more.
 */
import { KafkaError } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { CommittedOffset } from '../../protocol/messages/group.ts'
import type { ConsumedPartition } from './consumed-partition.ts'

/** See the header. */
export class Uncommitted {
  readonly #partitions: ReadonlyMap<string, ConsumedPartition>
  /** Names of partitions that were lost since the last commit of everything, with something of them that was not committed. */
  readonly #lost: Set<string> = new Set()

  constructor(partitions: ReadonlyMap<string, ConsumedPartition>) {
    this.#partitions = partitions
  }

  /** The group has taken a partition away. Who has given it up by being silent knows that. */
  lose(one: ConsumedPartition): void {
    if (!one.isForfeit && one.delivered > one.saved) this.#lost.add(one.name)
  }

  /** A commit of these, or (null) of everything, is asked for; what is answered is called when it is done, and throws UNKNOWN_MEMBER_ID, once, for what was lost. */
  committing(offsets: readonly CommittedOffset[] | null): () => void {
    const everything = [...this.#partitions.values()].map((one) => ({ one, offset: one.position ?? -1 }))
    const some = offsets?.map(({ topic, partition, offset }) => ({
      one: this.#partitions.get(topicPartitionName(topic, partition)),
      offset,
    }))
    const lost = offsets === null ? [...this.#lost].toSorted() : []
    return () => {
      for (const { one, offset } of some ?? everything) if (one !== undefined) one.saved = offset
      this.#tell(lost.filter((name) => this.#lost.has(name)))
    }
  }

  /** A transaction is to commit everything. Throws like a commit. */
  checkLost(): void {
    this.#tell([...this.#lost].toSorted())
  }

  #tell(lost: readonly string[]): void {
    if (lost.length === 0) return
    for (const name of lost) this.#lost.delete(name)
    const reason = `the group has taken ${lost.join(', ')} away before all that was delivered of it was committed: others are given that again`
    throw new KafkaError('UNKNOWN_MEMBER_ID', reason)
  }
}
