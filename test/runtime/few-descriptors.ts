/** A process with few file descriptors (`ulimit -n`): writes to more logs than it can have files open, and prints what storage says. */
import { FileStorage } from '../../runtime/file-storage.ts'
import { JobPool } from '../../runtime/jobs.ts'
import { ask, counting } from './storage-contract.ts'

const LOGS = 100
const jobs = new JobPool()
const told: string[] = []
const storage = new FileStorage(process.argv[2] ?? '', jobs, { onError: (error) => void told.push(error.message) })
const errors = new Set<string | null>()
for (let i = 0; i < LOGS; i++) {
  const log = `t-${i}.1`
  errors.add((await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(9) }, 'appended', log)).error)
  errors.add((await ask(storage, { kind: 'sync', file: 'a' }, 'synced', log)).error)
  errors.add((await ask(storage, { kind: 'replace', file: 'b', bytes: counting(9) }, 'storageDone', log)).error)
  errors.add((await ask(storage, { kind: 'remove', files: ['b'], later: true }, 'storageDone', log)).error)
}
console.log(JSON.stringify({ errors: [...errors], told }))
await storage.close()
await jobs.close()
