/**
 * Where a cluster records: a directory of its own, made if absent, which must be empty. One recording is one directory. It does NOT write anything there: each
 * thread does (runtime/recorder.ts).
 */
import { readdirSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import { KafkaError } from '../../protocol/errors.ts'
import { RECORDING_SUFFIX } from '../../protocol/recording/layout.ts'
import type { RecordingSetup } from '../../runtime/recorder.ts'
import { makeDirectory } from './data-directory.ts'
import { explain } from './durable-file.ts'
import { version } from './version.ts'

/**
 * Makes sure that it can be recorded to. `data` is the data directory, null in memory: neither may lie in the other. Throws INVALID_OPTION, FOREIGN_DIRECTORY, or
 * what the system says.
 */
export function openRecording(directory: string, data: string | null): RecordingSetup {
  if (directory === '') throw new KafkaError('INVALID_OPTION', 'open option record must name a directory, not ""')
  const path = resolve(directory)
  if (data !== null) checkApart(path, resolve(data))
  let names: string[]
  try {
    makeDirectory(path)
    names = readdirSync(path)
  } catch (error) {
    throw explain(error, path)
  }
  if (names.length > 0)
    throw new KafkaError('FOREIGN_DIRECTORY', `${path} ${whatIsIn(names)}: open option record must name an empty directory`)
  return { directory: path, odradek: version() }
}

function checkApart(path: string, data: string): void {
  const isInside = (inner: string, outer: string): boolean => inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep)
  if (!isInside(path, data) && !isInside(data, path)) return
  throw new KafkaError(
    'INVALID_OPTION',
    `open option record must name a directory beside the data directory ${data}, not ${path}: one of them would be in the other`,
  )
}

function whatIsIn(names: readonly string[]): string {
  const [first = 'files'] = names
  return names.some((name) => name.endsWith(RECORDING_SUFFIX)) ? 'holds another recording' : `holds ${first}`
}
