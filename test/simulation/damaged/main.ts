// A process of its own in which the checkers are switched off one by one: each place where one says that a promise is broken says nothing, in its turn, and all damaged
// histories are played again. Prints the places, and those that no history misses.

import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { parseSource, walk } from '../../tidy/source.ts'
import type { SyntaxNode } from '../../tidy/source.ts'

/** Where the promises are that histories can break by themselves; what clients and whole runs notice needs a cluster. */
const CHECKERS = ['simulation/checkers/', 'simulation/quorum/truth.ts', 'simulation/truth.ts', 'simulation/world.ts', 'simulation/host.ts']

const root = fileURLToPath(new URL('../../../', import.meta.url))
const places: string[] = []
const off = { place: '' }
Object.assign(globalThis, { isOff: (place: string): boolean => off.place === place })

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    const path = url.startsWith('file:') ? fileURLToPath(url).replace(root, '') : ''
    if (!CHECKERS.some((begin) => path.startsWith(begin))) return loaded
    const source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source)
    return { ...loaded, source: switchable(path, source) }
  },
})

/** The text, with a switch before each place where somebody says that a promise is broken. */
function switchable(path: string, source: string): string {
  const calls: SyntaxNode[] = []
  walk(parseSource(path, source).program, (node) => {
    if (node.type === 'CallExpression' && isFailure(node['callee'] as SyntaxNode)) calls.push(node)
  })
  let text = source
  for (const { start, end } of calls.toSorted((a, b) => b.start - a.start)) {
    const place = `${path}:${source.slice(0, start).split('\n').length} ${source.slice(start, end).replaceAll(/\s+/g, ' ')}`
    places.unshift(place)
    text = `${text.slice(0, start)}void (globalThis.isOff(${JSON.stringify(place)}) ? 0 : ${text.slice(start, end)})${text.slice(end)}`
  }
  return text
}

/** `world.fail(…)`, `this.fail(…)`, or a `fail(…)` that stands for one. */
function isFailure(callee: SyntaxNode): boolean {
  if (callee.type === 'Identifier') return callee['name'] === 'fail'
  return callee.type === 'MemberExpression' && (callee['property'] as SyntaxNode)['name'] === 'fail'
}

const { damagedHistories } = await import('./all.ts')
const verdicts = (): string => damagedHistories.map(({ play }) => play(true)).join(' ')
const sound = verdicts()
const unmissed = places.filter((place) => {
  off.place = place
  return verdicts() === sound
})
console.log(JSON.stringify({ places: places.length, unmissed }))
