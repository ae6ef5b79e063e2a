/**
 * Known bugs of the read modes, as data: part of the catalogue. Most are bugs of the rules that the public client and the simulated members go by; how a guarantee begins and commits
 * its rounds the simulator has in actors of its own (workloads/reader.ts): mutants of that prove the checkers.
 */
import type { Mutant } from './mutant.ts'

const READER = 'simulation/workloads/reader.ts'
const RULES = 'actors/processing.ts'

/** Mutants of at most once, at least once and effectively once. */
export const readerMutants: readonly Mutant[] = [
  {
    id: 'G1',
    title: 'at most once commits what it has handled',
    why: 'what was handled by a member that dies before it commits is handled again',
    edits: [
      {
        file: READER,
        text: "if (this.#plan.mode !== 'at-most-once') return this.#recall",
        replacement: 'return this.#recall',
      },
      { file: READER, text: "    if (this.#plan.mode === 'at-most-once') return done(null)\n", replacement: '' },
    ],
    seed: 14,
    seedsToFind: 14,
  },
  {
    id: 'G2',
    title: 'at most once goes back to where a round began when it fails',
    why: 'a commit that was answered too late had counted',
    edits: [{ file: RULES, text: '!isAtMostOnce(state) && held.has(name)', replacement: 'held.has(name)' }],
    run: 'small',
    seed: 95,
    seedsToFind: 95,
  },
  {
    id: 'G3',
    title: 'at least once commits what it is about to handle',
    why: 'what a member takes along when it dies is handled by nobody',
    edits: [
      {
        file: READER,
        text: "if (this.#plan.mode !== 'at-most-once') return this.#recall",
        replacement: "if (this.#plan.mode === 'effectively-once') return this.#recall",
      },
    ],
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
    edits: [{ file: RULES, text: '    state.recent.delete(name)\n', replacement: '' }],
    run: 'small',
    seed: 939,
    seedsToFind: 939,
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
  {
    id: 'G7',
    title: 'a round commits all that was polled',
    why: 'it may end between two records of a poll, and what follows them is handled by nobody',
    edits: [
      {
        file: RULES,
        text: '  return rest\n',
        replacement:
          '  for (const { topic, partition, offset } of rest) state.handled.set(topicPartitionName(topic, partition), { topic, partition, offset: offset + 1 })\n  return rest\n',
      },
      { file: RULES, text: 'state.last.offset = offset + 1', replacement: 'state.last.offset = Math.max(state.last.offset, offset + 1)' },
    ],
    run: 'small',
    seed: 59,
    seedsToFind: 59,
  },
  {
    id: 'G8',
    title: 'a round that fails does not lead back',
    why: 'what it had handled is never committed, but what follows is: its records are skipped',
    edits: [{ file: RULES, text: '  state.recent.clear()\n  return starts\n', replacement: '  state.recent.clear()\n  return []\n' }],
    run: 'small',
    seed: 797,
    seedsToFind: 797,
  },
  {
    id: 'G9',
    title: 'what was polled before its partition went is handled',
    why: 'somebody else has the partition, or this consumer itself will poll it again',
    edits: [
      {
        file: RULES,
        text: '  return upheavals === upheavalsAtPoll || (upheavalOf.get(topicPartitionName(topic, partition)) ?? 0) <= upheavalsAtPoll',
        replacement: '  return true',
      },
    ],
    run: 'small',
    seed: 35,
    seedsToFind: 35,
  },
  {
    id: 'G10',
    title: 'the keys of a round that failed still count',
    why: 'a record whose handler has thrown is left out when it comes again',
    edits: [{ file: RULES, text: '  state.recent.clear()\n', replacement: '' }],
    seed: 12,
    seedsToFind: 12,
  },
  {
    id: 'G11',
    title: 'what was polled and not handled is not polled again',
    why: 'the consumer goes on behind it when its round had to end in the middle',
    edits: [
      {
        file: RULES,
        text: 'begins.map(([, begin]) => begin) : [], seek }',
        replacement: 'begins.map(([, begin]) => begin) : [], seek: [] }',
      },
    ],
    seed: 40,
    seedsToFind: 40,
  },
  {
    id: 'G12',
    title: 'a round that is lost is committed',
    why: 'what was handled of partitions that begin anew elsewhere counts, and nobody goes back',
    edits: [{ file: RULES, text: "state.isLost ? 'takeBack' : 'commit'", replacement: "'commit'" }],
    seed: 12,
    seedsToFind: 12,
  },
  {
    id: 'G13',
    title: 'the keys are not committed with the offset',
    why: 'who recalls them finds none',
    edits: [{ file: RULES, text: "metadata: recent.get(name)?.encode() ?? ''", replacement: "metadata: ''" }],
    seed: 12,
    seedsToFind: 12,
  },
  {
    id: 'G14',
    title: 'a processing that fails does not go back in what was polled since its round began',
    why: 'the application begins anew, and nobody handles it',
    edits: [{ file: RULES, text: 'const unhandled = [...rest].filter(', replacement: 'const unhandled = [...rest].slice(0, 0).filter(' }],
    seed: 0,
    seedsToFind: 0,
  },
]
