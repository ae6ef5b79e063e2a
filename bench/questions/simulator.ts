/**
 * Question: how much faster than time does the simulator run, on one core and with all checks on? The measuring itself is bench/simulator.ts.
 */
import type { Question } from '../question.ts'
import { benchSimulator } from '../simulator.ts'

/** How fast virtual time passes. */
export const simulator: Question = {
  name: 'simulator',
  question: 'How many virtual seconds does the simulator run in a second?',
  results: ['speed', 'events'],
  goals: [{ kind: 'atLeast', result: 'speed', value: 500 }],
  conditions: () => ({ threads: 1, checks: 'all', runs: '3 samples in one process' }),
  run: () => benchSimulator(),
}
