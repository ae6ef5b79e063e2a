/**
 * The panel at the side: what is chosen, or, if nothing is, what the run came to and how the page is used.
 */
import type { Timeline } from '../model.ts'
import { durationText, timeText } from './axis.ts'
import { describe } from './describe.ts'
import type { Run } from './run.ts'
import type { Thing } from './thing.ts'

const KEYS = [
  ['wheel, + and −', 'zoom'],
  ['drag, left, right', 'move in time'],
  ['drag, up, down', 'scroll the lanes'],
  ['/', 'search; Enter and Shift+Enter go on and back'],
  ['0', 'the whole run'],
  ['v', 'to what is broken'],
  ['Esc', 'choose nothing'],
] as const

/** Shows a thing, or the run. */
export function showPanel(panel: HTMLElement, run: Run, chosen: Thing | null): void {
  panel.replaceChildren(...(chosen === null ? aboutRun(run.timeline) : aboutThing(run, chosen)))
  panel.dataset['of'] = chosen?.of ?? 'run'
}

function aboutThing(run: Run, thing: Thing): HTMLElement[] {
  const { title, facts, body } = describe(run, thing)
  const parts = [element('h2', title), list(facts)]
  if (thing.of === 'violation') parts.push(...aboutRun(run.timeline))
  if (body !== null) parts.push(element('h3', 'the message'), element('pre', pretty(body)))
  return parts
}

function aboutRun(timeline: Timeline): HTMLElement[] {
  const { head, end, flights, steps, faults, partitions, transactions, violation } = timeline
  const lost = flights.fate.filter((fate) => fate > 1).length
  return [
    element('h2', 'This run'),
    list([
      ['seed', `${head.seed}`],
      ['commit', head.commit],
      ...(head.mutant === null ? [] : [['mutant', head.mutant] as const]),
      ['virtual time', durationText(end)],
      ['messages', `${flights.sentAt.length} between hosts, ${lost} not heard; ${steps.at.length} inside`],
      ['faults', `${faults.length}`],
      ['partitions', `${partitions.length}`],
      ['transactions', `${transactions.length}`],
      ['broken', violation === null ? 'nothing' : `${violation.code} at ${timeText(violation.at)}`],
      ['hash', head.hash],
    ]),
    element('h3', 'run it again'),
    element('pre', head.command),
    element('h3', 'how to look at it'),
    list(KEYS),
    element('p', 'Click what you want to know more about. Bytes of batches are left out; everything else of a message is here.'),
  ]
}

function pretty(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2)
  } catch {
    return body
  }
}

function list(facts: readonly (readonly [string, string])[]): HTMLElement {
  const whole = document.createElement('dl')
  for (const [name, text] of facts) whole.append(element('dt', name), element('dd', text))
  return whole
}

function element(tag: string, text: string): HTMLElement {
  const one = document.createElement(tag)
  one.textContent = text
  return one
}
