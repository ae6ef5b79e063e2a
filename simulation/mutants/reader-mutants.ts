/**
 * Known bugs of the read modes, as data: part of the catalogue. The loop of `consumer.process` waits for promises, so the simulator has one of its own (workloads/reader.ts), and
 * most of these are bugs of that: they prove the checkers. The keys that a commit carries are the product's.
 */
import type { Mutant } from './mutant.ts'

const READER = 'simulation/workloads/reader.ts'

/** Mutants of at most once, at least once and effectively once. */
export const readerMutants: readonly Mutant[] = [
  {
    id: 'G1',
    title: 'at most once commits what it has handled',
    why: 'what was handled by a member that dies before it commits is handled again',
    edits: [
      {
        file: READER,
        text: "if (mode === 'at-least-once') return this.#handle",
        replacement: "if (mode !== 'effectively-once') return this.#handle",
      },
      { file: READER, text: "    if (this.#plan.mode === 'at-most-once') return this.#over(round)\n", replacement: '' },
    ],
    seed: 14,
    seedsToFind: 14,
  },
  {
    id: 'G2',
    title: 'at most once goes back to where a round began when it fails',
    why: 'a commit that was answered too late had counted',
    edits: [
      {
        file: READER,
        text: "if (this.#plan.mode !== 'at-most-once') this.#member.goBack(round)",
        replacement: 'this.#member.goBack(round)',
      },
    ],
    seed: 39,
    seedsToFind: 39,
  },
  {
    id: 'G3',
    title: 'at least once commits what it is about to handle',
    why: 'what a member takes along when it dies is handled by nobody',
    edits: [{ file: READER, text: "if (mode === 'at-least-once') return this.#handle(round, taken, 0)", replacement: '' }],
    seed: 36,
    seedsToFind: 36,
  },
  {
    id: 'G4',
    title: 'a commit does not carry the keys',
    why: 'who has the partition next knows none, and handles records whose keys were handled before',
    edits: [{ file: 'protocol/recent-keys.ts', text: "return PREFIX + [...this.#keys].join('')", replacement: 'return PREFIX' }],
    seed: 12,
    seedsToFind: 12,
  },
  {
    id: 'G5',
    title: 'the keys of a partition that was given up still count when it comes back',
    why: 'those that somebody else has seen meanwhile are not among them',
    edits: [{ file: READER, text: '    this.#recent.delete(name)\n', replacement: '' }],
    seed: 277,
    seedsToFind: 277,
  },
  {
    id: 'G6',
    title: 'the oldest keys stay, and new ones have no room',
    why: 'of the last keys of the partition none is known',
    edits: [
      {
        file: 'protocol/recent-keys.ts',
        text: '    this.#keys.delete(hash)\n    this.#keys.add(hash)\n',
        replacement: '    if (this.#keys.size < this.#max) this.#keys.add(hash)\n',
      },
    ],
    seed: 12,
    seedsToFind: 12,
  },
]
