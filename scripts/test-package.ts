/**
 * Tests the package as a stranger gets it: packs it, installs the tarball into an empty project, and uses it there, on the oldest Node that it
 * promises to run on and on the one of this checkout. It does NOT test the engine: the tests do.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const OLDEST_NODE = '22.18.0'
const COMMAND_MILLIS_MAX = 30_000
const OUTPUT_CHARACTERS_MAX = 2000

/** Simulated with each Node: what comes of them must not depend on it. */
const SEEDS = ['--seed', '11', '--runs', '3', '--seconds', '20', '--workers', '2', '--json']

/** Node gives its options to worker threads, too, and no file may have that one of these. */
const PROGRAM = `
import { open } from 'odradek'
const cluster = await open(process.argv[1])
console.log((await cluster.admin.listTopics()).join())
await cluster.close()
`

/** What a strict TypeScript project sees of the package. */
const TYPES_SAMPLE = `
import { json, open, string } from 'odradek'
import type { Cluster, ConsumerRecord } from 'odradek'
const cluster: Cluster = await open(':memory:')
const consumer = cluster.consumer({ key: string, value: json<{ item: string }>(), group: 'g', topics: ['t'] })
for await (const record of consumer) {
  const typed: ConsumerRecord<string, { item: string }> = record
  const item: string | undefined = typed.value?.item
  // @ts-expect-error -- a record has no such field, and the types must say so
  typed.nonsense
  void item
}
export {}
`

const root = fileURLToPath(new URL('..', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'odradek-package-'))
const project = join(work, 'project')
let failures = 0

try {
  installPackage()
  const nodes = [installNode(OLDEST_NODE), process.execPath]
  for (const node of nodes) testOn(node)
  check('the types compile in a strict project', process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], '')
} finally {
  rmSync(work, { recursive: true, force: true })
}
console.log(failures === 0 ? 'the package works' : `${failures} of the checks failed`)
process.exitCode = failures === 0 ? 0 : 1

function installPackage(): void {
  npm(root, ['pack', '--silent', '--pack-destination', work])
  const tarball = readdirSync(work).find((name) => name.endsWith('.tgz'))
  if (tarball === undefined) throw new Error('npm pack made no tarball')
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "type": "module", "private": true }\n')
  npm(project, ['install', '--silent', '--no-audit', '--no-fund', join(work, tarball)])
  copyFileSync(join(root, 'scripts/package-sample.ts'), join(project, 'sample.ts'))
  const options = {
    strict: true,
    module: 'nodenext',
    target: 'es2024',
    lib: ['es2024', 'esnext.disposable', 'dom'],
    noEmit: true,
    types: [],
  }
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['types.ts'] }))
  writeFileSync(join(project, 'types.ts'), TYPES_SAMPLE)
}

function installNode(version: string): string {
  const directory = join(work, `node-${version}`)
  mkdirSync(directory)
  writeFileSync(join(directory, 'package.json'), '{ "private": true }\n')
  npm(directory, ['install', '--silent', '--no-audit', '--no-fund', `node@${version}`])
  return join(directory, 'node_modules/node/bin/node')
}

function testOn(node: string): void {
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
  const directory = join(work, `data-${version}`)
  const bin = join(project, 'node_modules/odradek/dist/edge/cli/main.js')
  const cli = (...parameters: string[]): [string, string[]] => [node, [bin, '--directory', directory, ...parameters]]
  check(`${version}: a program writes and reads`, node, ['sample.ts', directory], 'read 1000, the first at offset 0')
  check(`${version}: it is simulated`, node, ['sample.ts', `${directory}-simulated`], 'simulated 2 seeds')
  check(`${version}: what it wrote outlives it`, node, ['sample.ts', directory], 'read 1001, the first at offset 999')
  check(`${version}: a program on the command line opens it`, node, ['--input-type=module', '-e', PROGRAM, directory], 'numbers')
  check(`${version}: the command line lists topics`, ...cli('topics', 'list'), 'numbers')
  check(`${version}: the command line consumes`, ...cli('consume', 'numbers', '--from', '1999', '--json', '--max', '1'), '"offset":1999')
  check(`${version}: it helps`, ...cli('--help'), 'topics')
  check(`${version}: npx finds it`, 'npx', ['--no-install', 'odradek', '--help'], 'consume', node)
  check(`${version}: the simulator is in the package`, ...cli('simulate', '--help'), 'seed')
  check(`${version}: a seed gives the same run as here`, ...cli('simulate', ...SEEDS), `"hash":"${hashHere()}"`)
  const page = join(work, `timeline-${version}.html`)
  check(`${version}: it draws timelines`, ...cli('simulate', '--seed', '1', '--seconds', '2', '--timeline', page), 'shows the whole run')
  check(`${version}: the command line records`, ...cli('topics', 'list', '--record', `${directory}-recording`), 'numbers')
  check(`${version}: what was recorded is replayed`, ...cli('replay', `${directory}-recording`), 'identical')
  const checkout = join(root, 'edge/cli/main.ts')
  check(`${version}: and by a checkout, too`, process.execPath, [checkout, 'replay', `${directory}-recording`], 'identical')
  const recording = `${directory}-recording-of-a-checkout`
  execFileSync(process.execPath, [checkout, '--directory', directory, 'topics', 'list', '--record', recording])
  check(`${version}: and what a checkout has recorded`, ...cli('replay', recording), 'identical')
}

/** Of the runs that the checkout simulates, on the Node that runs this. */
function hashHere(): string {
  const report = execFileSync(process.execPath, [join(root, 'simulation/main.ts'), ...SEEDS], { encoding: 'utf8' })
  return (JSON.parse(report) as { readonly hash: string }).hash
}

function check(name: string, command: string, parameters: readonly string[], expected: string, node?: string): void {
  const path = node === undefined ? process.env['PATH'] : `${join(node, '..')}:${process.env['PATH']}`
  const result = spawnSync(command, parameters, {
    cwd: project,
    encoding: 'utf8',
    timeout: COMMAND_MILLIS_MAX,
    env: { ...process.env, PATH: path },
  })
  const ok = result.status === 0 && result.stdout.includes(expected)
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name}`)
  if (ok) return
  failures += 1
  const output = `${result.stdout}${result.stderr}`.slice(0, OUTPUT_CHARACTERS_MAX).trimEnd()
  console.log(`     expected "${expected}", got (exit ${result.status ?? result.signal}):\n${output}`)
}

function npm(directory: string, parameters: readonly string[]): void {
  execFileSync('npm', parameters, { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] })
}
