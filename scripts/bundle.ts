/**
 * Writes the modules of the package; their types are the compiler's work. What is inside a room goes into one file: finding and reading three hundred small ones
 * takes most of the time in which an engine opens, on each of its threads. Modules that are loaded by where they lie keep a file of their own, there.
 */
import { globSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const ROOMS = ['protocol', 'partitions', 'coordinator', 'actors', 'runtime', 'simulation', 'edge/client', 'edge/cli', 'bench']

/** Where a program or a thread begins. */
const MAINS = new Set(['edge/client/index.ts', 'edge/cli/main.ts', 'simulation/main.ts', 'bench/main.ts', 'runtime/worker.ts'])

const root = fileURLToPath(new URL('..', import.meta.url))

const isLoadedByPlace = (path: string): boolean => MAINS.has(path) || readFileSync(`${root}/${path}`, 'utf8').includes('import.meta.url')

const named = (path: string): string => path.replace(/\.ts$/, '')

const modules = globSync(
  ROOMS.map((room) => `${room}/**/*.ts`),
  { cwd: root },
)
const placed = new Set(modules.filter(isLoadedByPlace))
const pathOf = (id: string): string => relative(root, id)

const bundle = await rolldown({
  cwd: root,
  input: Object.fromEntries([...placed].map((path) => [named(path), path])),
  platform: 'node',
  external: /^[^./]/,
  preserveEntrySignatures: 'allow-extension',
  transform: { target: 'es2024' },
})
await bundle.write({
  dir: `${root}/dist`,
  entryFileNames: '[name].js',
  chunkFileNames: ({ name, moduleIds }) => (moduleIds.length === 1 ? `${named(pathOf(moduleIds[0]!))}.part.js` : `rooms/${name}.js`),
  minifyInternalExports: false,
  codeSplitting: {
    includeDependenciesRecursively: false,
    groups: ROOMS.map((room) => ({
      name: room.replace('/', '-'),
      test: (id) => pathOf(id).startsWith(`${room}/`) && !placed.has(pathOf(id)),
    })),
  },
})
