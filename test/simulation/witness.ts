// A process of its own that may have a mutant in its code: it opens a metadata log whose last batch has a wrong CRC, and says what became of that.

import { findMutant, installMutant } from '../../simulation/mutants/loader.ts'

const mutant = findMutant(process.argv[2] ?? '')
if (mutant !== undefined) installMutant(mutant)
const { openQuorum } = await import('../../coordinator/quorum-files.ts')
const { concat, dataBatch } = await import('../../coordinator/quorum-records.ts')

const batches = [0, 1].map((baseOffset) => dataBatch({ baseOffset, epoch: 1, now: 0 }, [new TextEncoder().encode('a record')]).bytes)
const bytes = concat(batches)
bytes[bytes.length - 2]! ^= 1
const opened = openQuorum(new Map([['00000000000000000000.log', bytes]]), [0], Infinity)
const count = 'damage' in opened ? -1 : opened.recovered.log.batches.length
console.log(count === 2 ? 'taken' : 'cut')
