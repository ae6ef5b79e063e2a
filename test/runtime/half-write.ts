/** A process whose files may not grow beyond a limit (`ulimit -f`): appends twice, the second time too much, and prints what storage says then. */
import { FileStorage } from '../../runtime/file-storage.ts'
import { JobPool } from '../../runtime/jobs.ts'
import { ask, counting, read } from './storage-contract.ts'

const jobs = new JobPool()
const storage = new FileStorage(process.argv[2] ?? '', jobs)
await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(100) }, 'appended')
const { error } = await ask(storage, { kind: 'append', file: 'a', position: 100, bytes: counting(10_000) }, 'appended')
const { files } = await ask(storage, { kind: 'list' }, 'listed')
console.log(JSON.stringify({ error, listed: files[0]?.sizeBytes, read: (await read(storage, 'a')).length }))
await storage.close()
await jobs.close()
