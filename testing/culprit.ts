/**
 * Which line of somebody's code does what is noticed here: the first on the stack that belongs neither to Node nor to this package.
 */
import { fileURLToPath } from 'node:url'

/** Where the code of this package lies. */
const ROOMS = ['testing', 'edge', 'simulation', 'actors', 'coordinator', 'partitions', 'protocol', 'runtime', 'rooms']

const here = import.meta.url
const root = here.slice(0, here.lastIndexOf('/testing/'))
const OURS: readonly string[] = ROOMS.map((room) => `${root}/${room}/`).flatMap((url) => [url, fileURLToPath(url)])

/** So far it is looked. */
const FRAMES_MAX = 50

/** The line, as a stack has it ("at …"); null if all of them are ours, or Node's. */
export function findCulprit(): string | null {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = FRAMES_MAX
  const { stack = '' } = new Error()
  Error.stackTraceLimit = stackTraceLimit
  const isTheirs = (line: string): boolean =>
    /^\s*at /.test(line) && !/node:|<anonymous>\)?$/.test(line) && !OURS.some((path) => line.includes(path))
  return stack.split('\n').find(isTheirs)?.trim() ?? null
}
