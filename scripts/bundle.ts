/**
 * Puts what the compiler has written into fewer files. What is inside a room goes into one file: finding and reading three hundred small ones
 * takes most of the time in which an engine opens, on each of its threads. Modules that are loaded by where they lie keep a file of their own, there.
 * The text of a module stays in memory on every thread that has loaded it, in twice the bytes if there is one arrow in it: doc comments are in the types only.
 * The page of timelines is made here, because a package has no sources to make it from.
 */
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { makeTemplate } from '../simulation/timeline/template.ts'

const ROOMS = ['protocol', 'partitions', 'coordinator', 'actors', 'runtime', 'simulation', 'edge/client', 'edge/cli', 'testing']

/** Where a program or a thread begins. */
const MAINS = new Set([
  'edge/client/index.js',
  'testing/index.js',
  'edge/cli/main.js',
  'simulation/main.js',
  'simulation/fleet-worker.js',
  'simulation/replay/main.js',
  'bench/main.js',
  'runtime/worker.js',
])

const root = fileURLToPath(new URL('../dist', import.meta.url))

const isLoadedByPlace = (path: string): boolean => MAINS.has(path) || readFileSync(`${root}/${path}`, 'utf8').includes('import.meta.url')

const named = (path: string): string => path.replace(/\.js$/, '')

const modules = globSync('**/*.js', { cwd: root })
const placed = new Set(modules.filter(isLoadedByPlace))
const pathOf = (id: string): string => relative(root, id)

const bundle = await rolldown({
  cwd: root,
  input: Object.fromEntries([...placed].map((path) => [named(path), path])),
  platform: 'node',
  external: /^[^./]/,
  preserveEntrySignatures: 'allow-extension',
  checks: { ineffectiveDynamicImport: false },
})
const { output } = await bundle.generate({
  entryFileNames: '[name].js',
  chunkFileNames: ({ name, moduleIds }) => (moduleIds.length === 1 ? `${named(pathOf(moduleIds[0]!))}.part.js` : `rooms/${name}.js`),
  minifyInternalExports: false,
  comments: { jsdoc: false },
  codeSplitting: {
    includeDependenciesRecursively: false,
    groups: ROOMS.map((room) => ({
      name: room.replace('/', '-'),
      test: (id) => pathOf(id).startsWith(`${room}/`) && !placed.has(pathOf(id)),
    })),
  },
})
for (const path of modules) rmSync(`${root}/${path}`)
for (const one of output) {
  const path = `${root}/${one.fileName}`
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, one.type === 'chunk' ? one.code : one.source)
}

writeFileSync(`${root}/simulation/timeline/page.html`, await makeTemplate())
