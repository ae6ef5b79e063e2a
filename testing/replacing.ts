/**
 * Puts things in the place of others, property by property, and puts back what was there.
 */

/** What is replaced for a while. */
export class Replacements {
  readonly #undo: (() => void)[] = []

  /** Puts a value there. What cannot be replaced stays. */
  value(target: object, name: string, value: unknown): void {
    this.#replace(target, name, (enumerable) => ({ configurable: true, writable: true, enumerable, value }))
  }

  /** Puts something there that is asked each time. */
  getter(target: object, name: string, get: (this: unknown) => unknown): void {
    this.#replace(target, name, (enumerable) => ({ configurable: true, enumerable, get }))
  }

  /** Puts back what was there. */
  undo(): void {
    for (const one of this.#undo.splice(0).toReversed()) one()
  }

  #replace(target: object, name: string, describe: (isEnumerable: boolean) => PropertyDescriptor): void {
    const before = Object.getOwnPropertyDescriptor(target, name)
    if (before?.configurable === false) return
    Object.defineProperty(target, name, describe(before?.enumerable ?? true))
    this.#undo.push(() => {
      if (before === undefined) Reflect.deleteProperty(target, name)
      else Object.defineProperty(target, name, before)
    })
  }
}
