// A process of its own with an actor that remembers other runs: a counter of its module. It runs one seed as a fleet does, and says what was found.

import { installMutant } from '../../simulation/mutants/loader.ts'

installMutant({
  id: 'forgetless',
  title: 'a counter outlives the run',
  why: 'the second run of a seed is not the first',
  edits: [
    { file: 'actors/replica.ts', text: 'state.nextToken += context.random', replacement: 'state.nextToken += context.random + lives++' },
    { file: 'actors/replica.ts', text: '/** The behaviour of a replica. */', replacement: 'let lives = 0\n' },
  ],
  seed: 0,
  seedsToFind: 0,
})
const { runFleet } = await import('../../simulation/fleet.ts')
const plan = { seconds: 2 }
await runFleet(
  { firstSeed: 1, runs: 1, workers: 1, untilFail: false, isGuarded: true, mutant: null, isQuorum: false, plan },
  ({ violation }) => console.log(violation?.code ?? 'nothing'),
)
