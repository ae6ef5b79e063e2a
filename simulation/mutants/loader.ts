/**
 * Puts a mutant into the code while it is loaded: a hook of Node's module loader replaces the text. It fails loudly when the text is no longer there, so that
 * no mutant survives because it was never born. Must be called before any of the mutated modules is loaded.
 */
import { registerHooks } from 'node:module'
import { mutants } from './catalogue.ts'
import type { Edit, Mutant } from './mutant.ts'

const root = new URL('../../', import.meta.url)

/** The mutant of that name, or the one that has all the bugs of `A1+A2`; undefined if there is none. */
export function findMutant(id: string): Mutant | undefined {
  const found = id.split('+').map((one) => mutants.find((mutant) => mutant.id === one))
  const [first, ...others] = found.filter((one) => one !== undefined)
  if (first === undefined || others.length + 1 < found.length) return undefined
  return others.length === 0 ? first : { ...first, id, edits: [first, ...others].flatMap(({ edits }) => edits) }
}

/** What this thread has loaded. */
let installed: Mutant | null = null

/** From now on, modules are loaded with the mutant's bug. Throws if the thread has another one. */
export function installMutant(mutant: Mutant): void {
  if (installed?.id === mutant.id) return
  if (installed !== null) throw new Error(`this thread has loaded ${installed.id}, and cannot load ${mutant.id}`)
  installed = mutant
  const edits = new Map<string, Edit[]>()
  for (const edit of mutant.edits) {
    const url = new URL(edit.file, root).href
    edits.set(url, [...(edits.get(url) ?? []), edit])
  }
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      const wanted = edits.get(url)
      if (wanted === undefined) return loaded
      const source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source)
      return { ...loaded, source: wanted.reduce(applyEdit, source) }
    },
  })
}

/** The text with one edit; throws unless the edit's text stands in it exactly once. */
export function applyEdit(source: string, edit: Edit): string {
  const parts = source.split(edit.text)
  if (parts.length !== 2) throw new Error(`${edit.file} holds the text of a mutant ${parts.length - 1} times, not once: ${edit.text}`)
  return parts.join(edit.replacement)
}
