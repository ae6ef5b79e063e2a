/**
 * Question: how many messages per second pass from one thread to another through a ring, and how many through a MessagePort? The measuring itself is
 * bench/ring.ts.
 */
import type { Question } from '../question.ts'
import { benchRing } from '../ring.ts'

/** How fast threads talk. */
export const ring: Question = {
  name: 'ring',
  question: 'How many messages per second pass from thread to thread?',
  results: ['ring-100B', 'ring-16KiB', 'message-port-100B'],
  goals: [
    { kind: 'atLeast', result: 'ring-100B', value: 20_000_000 },
    { kind: 'ratio', result: 'ring-100B', over: 'message-port-100B', value: 20 },
  ],
  conditions: () => ({ threads: '1 writer + 1 reader, both spinning', ringBytes: 2 ** 23, published: 'every 64 messages' }),
  run: ({ runs, scale, progress }) => benchRing({ runs, scale, progress }),
}
