/**
 * The parts of the page, by their id.
 */

/** The part with that id. Throws an Error if the page has none: then page and script do not belong together. */
export function part(id: string): HTMLElement
export function part<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind
export function part(id: string, kind: new () => HTMLElement = HTMLElement): HTMLElement {
  const found = document.getElementById(id)
  if (found instanceof kind) return found
  throw new Error(`the page has no ${id}`)
}
