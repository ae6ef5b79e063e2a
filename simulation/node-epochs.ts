/**
 * The broker epochs of a node, as the metadata have them: in which it is registered, in which it was unfenced last, and what follows from both: whether it has been back since.
 */
import type { MetadataImage } from '../coordinator/metadata.ts'

/** The broker epoch in which a node was unfenced last; -1 if it never was. */
export function activeEpochOf(image: MetadataImage | null, node: number): number {
  return image?.brokers.get(node)?.activeEpoch ?? -1
}

/** The broker epoch in which a node is registered; -1 if it is not. */
export function brokerEpochOf(image: MetadataImage | null, node: number): number {
  return image?.brokers.get(node)?.brokerEpoch ?? -1
}

/** Whether a node has not been back since it was registered in an epoch, if it was. That one itself may be unfenced later, by a write that was under way when the node died. */
export function isAwaySince(image: MetadataImage | null, node: number, brokerEpoch: number | undefined): boolean {
  return brokerEpoch !== undefined && activeEpochOf(image, node) <= brokerEpoch
}
