/**
 * The guests of a run, if it has some: an inspector and wanderers.
 */
import type { Cluster } from './cluster.ts'
import { InspectorWorkload } from './workloads/inspector.ts'
import type { Knowledge } from './workloads/questions.ts'

/** See the header. */
export class GuestClients {
  readonly #inspector: InspectorWorkload | null

  constructor(cluster: Cluster, wanted: Knowledge['wanted'], endOf: Knowledge['endOf']) {
    const { guests } = cluster.plan
    this.#inspector = guests === null ? null : new InspectorWorkload(cluster, guests, wanted, endOf)
  }

  start(): void {
    this.#inspector?.start()
  }

  /** They leave nothing behind that would keep others from coming to their end. */
  tidy(): void {
    this.#inspector?.tidy()
  }

  /** Everything has settled: what is asked now must be answered as it is. */
  examine(): void {
    this.#inspector?.examine()
  }

  /** It was. */
  get isContent(): boolean {
    return this.#inspector?.isContent ?? true
  }

  /** What was wrong last. */
  get complaint(): string {
    return this.#inspector?.complaint ?? ''
  }
}
