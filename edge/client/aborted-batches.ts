/**
 * Which batches of one partition a reader of committed records leaves out: those of transactions that the leader named as aborted (KIP-98). It names them with every
 * chunk; what it has said once stays true, for a marker is final.
 */
import type { AbortedTransaction } from '../../protocol/messages/fetch.ts'
import * as batch from '../../protocol/record-batch.ts'

/** The aborted transactions that are still ahead, of one partition. */
export class AbortedBatches {
  /** By producer, in the order of the log. */
  readonly #transactions: Map<number, AbortedTransaction[]> = new Map()

  /** Named again, they are known already. */
  add(aborted: readonly AbortedTransaction[]): void {
    for (const one of aborted) {
      const known = this.#transactions.get(one.producerId)
      const last = known?.[known.length - 1]
      if (known === undefined) this.#transactions.set(one.producerId, [one])
      else if (last === undefined || last.lastOffset < one.lastOffset) known.push(one)
    }
  }

  /** Whether the batch at `at` is to be left out. Batches are asked for in the order of the log. */
  has(bytes: Uint8Array, at: number): boolean {
    if (this.#transactions.size === 0 || !batch.isTransactional(bytes, at)) return false
    const producerId = batch.producerId(bytes, at)
    const baseOffset = batch.baseOffset(bytes, at)
    const known = this.#transactions.get(producerId) ?? []
    for (let first = known[0]; first !== undefined && first.lastOffset < baseOffset; first = known[0]) known.shift()
    if (known.length === 0) this.#transactions.delete(producerId)
    const [next] = known
    return next !== undefined && next.firstOffset <= baseOffset
  }

  clear(): void {
    this.#transactions.clear()
  }
}
