/**
 * What the code under simulation says and asks for, step by step: where two runs of one seed differ, the first of it that does is close to the cause. What the cluster makes of it is
 * the same as long as this is.
 */
import { TraceHash } from '../simulation/trace-hash.ts'
import { findCulprit } from './culprit.ts'

/** Something that the code does. */
interface Step {
  readonly atMicros: number
  /** The process. */
  readonly who: string
  readonly what: string
  readonly content: string
}

interface Difference {
  readonly once: Step | undefined
  readonly again: Step | undefined
  /** The line that does what is done again. */
  readonly culprit: string | null
}

/** So many steps are compared: more of them would take too much memory. */
const STEPS_MAX = 100_000

/** So much of a step is shown, in characters, and so much of that lies before what differs. */
const SHOWN = 160
const SHOWN_BEFORE = 60

/** Bytes are looked through for text so far. */
const BYTES_MAX = 4096

/** Records a run, or compares another one with what was recorded. */
export class Recording {
  readonly #before: Recording | null
  readonly #steps: Step[] = []
  #count = 0
  #difference: Difference | null = null

  constructor(before: Recording | null = null) {
    this.#before = before
  }

  /** Takes a step; `content` is text, or plain data. */
  note(atMicros: number, who: string, what: string, content: unknown): void {
    if (this.#difference !== null || this.#count === STEPS_MAX) return
    const step = { atMicros, who, what, content: typeof content === 'string' ? content : describe(content) }
    const i = this.#count++
    if (this.#before === null) this.#steps.push(step)
    else {
      const once = this.#before.#steps[i]
      if (once === undefined || !isSame(once, step)) this.#difference = { once, again: step, culprit: findCulprit() }
    }
  }

  /** Says what differs first, in lines; of a run that is over. */
  tellDifference(): string {
    const once = this.#before === null ? undefined : this.#before.#steps[this.#count]
    const found = this.#difference ?? (once === undefined ? null : { once, again: undefined, culprit: null })
    if (found === null) return 'all that the code sent and asked for was the same, at the same times'
    const { who = '', atMicros = 0, what = '' } = found.once ?? found.again ?? {}
    const isAlike = found.once?.who === found.again?.who && found.once?.what === found.again?.what
    const [first, second] = isAlike ? contents(found.once!, found.again!) : [found.once, found.again].map(inShort)
    const culprit = found.culprit === null ? '' : `\n    ${found.culprit}`
    return `the first that differs, at ${seconds(atMicros)}, of ${who}: ${isAlike ? what : 'what it does'}\n    once:  ${first}\n    again: ${second}${culprit}`
  }
}

function isSame(a: Step, b: Step): boolean {
  return a.atMicros === b.atMicros && a.who === b.who && a.what === b.what && a.content === b.content
}

function contents(once: Step, again: Step): readonly [string, string] {
  if (once.content === again.content) return [`at ${seconds(once.atMicros)}`, `at ${seconds(again.atMicros)}`]
  let same = 0
  while (once.content[same] === again.content[same]) same++
  return [excerpt(once.content, same), excerpt(again.content, same)]
}

function excerpt(content: string, at: number): string {
  if (content.length <= SHOWN) return content
  const begin = Math.max(0, at - SHOWN_BEFORE)
  return `${begin === 0 ? '' : '…'}${content.slice(begin, begin + SHOWN)}${begin + SHOWN < content.length ? '…' : ''}`
}

function inShort(step: Step | undefined): string {
  return step === undefined ? 'nothing any more' : `${step.what}: ${excerpt(step.content, 0)} (${step.who}, at ${seconds(step.atMicros)})`
}

function seconds(micros: number): string {
  return `${(micros / 1_000_000).toFixed(6)} s`
}

function describe(content: unknown): string {
  return JSON.stringify(content, function (this: Record<string, unknown>, name: string, value: unknown) {
    const raw = this[name]
    return raw instanceof Uint8Array ? describeBytes(raw) : value
  }).replaceAll('\\"', '"')
}

/** The text in them, and a number that stands for all of them. */
function describeBytes(bytes: Uint8Array): string {
  const hash = new TraceHash()
  hash.addBytes(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, BYTES_MAX)).toString('latin1')
  const words = (text.match(/[ -~]{4,}/g) ?? []).join(' … ')
  return `<${bytes.length} bytes: ${words} #${hash.toString()}>`
}
