/**
 * What stands above the picture: title, search, filters, legend, and which part of the run is seen.
 */
import { FAMILIES } from '../families.ts'
import type { Family } from '../families.ts'
import type { TimelineHead } from '../model.ts'
import { durationText, timeText } from './axis.ts'
import { part } from './parts.ts'
import { atBroken, withFilter, withNextHit, withPartition, withSearch } from './state.ts'
import type { State } from './state.ts'
import { whole, zoomed } from './view.ts'

/** How much a press on a button zooms. */
export const ZOOM_STEP = 1.6

/** Fills the controls, and listens to them. */
export function listenToControls(current: () => State, change: (next: State) => void): void {
  showHead(current())
  fillChoices(current())
  makeLegend(current, change)
  const searching = part('search', HTMLInputElement)
  searching.addEventListener('input', () => change(withSearch(current(), searching.value)))
  searching.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') change(withNextHit(current(), event.shiftKey ? -1 : 1))
    if (event.key === 'Escape') searching.blur()
    event.stopPropagation()
  })
  const onClick = (id: string, next: (state: State) => State): void => part(id).addEventListener('click', () => change(next(current())))
  onClick('next', (state) => withNextHit(state, 1))
  onClick('previous', (state) => withNextHit(state, -1))
  onClick('broken', atBroken)
  onClick('in', (state) => zoomedBy(state, 1 / ZOOM_STEP))
  onClick('out', (state) => zoomedBy(state, ZOOM_STEP))
  onClick('all', (state) => ({ ...state, view: whole(state.view, state.bounds) }))
  listenToFilters(current, change)
}

/** Zooms around the middle. */
export function zoomedBy(state: State, factor: number): State {
  const { view, bounds } = state
  return { ...state, view: zoomed(view, bounds, view.left + view.width / 2, factor) }
}

/** Shows what has changed. */
export function showControls({ view, hits, hit, text, filter }: State): void {
  part('range').textContent = `${timeText(Math.max(view.begin, 0))}  ·  ${durationText(view.end - view.begin)} seen`
  part('found').textContent = text.trim() === '' ? '' : `${hit + 1} of ${hits.length}`
  for (const button of document.querySelectorAll<HTMLElement>('.family'))
    button.ariaPressed = filter.hidden.has(button.dataset['family'] as Family) ? 'false' : 'true'
}

function listenToFilters(current: () => State, change: (next: State) => void): void {
  const actor = part('actor', HTMLInputElement)
  actor.addEventListener('input', () => change(withFilter(current(), { actor: actor.value })))
  actor.addEventListener('keydown', (event) => event.stopPropagation())
  const partition = part('partition', HTMLSelectElement)
  const only = part('only', HTMLInputElement)
  partition.addEventListener('change', () => change(withPartition(current(), Number(partition.value))))
  only.addEventListener('change', () => {
    const state = current()
    const name = state.run.timeline.partitions[state.partition]?.name ?? null
    change(withFilter(state, { partition: only.checked ? name : null }))
  })
}

function showHead({ run: { timeline } }: State): void {
  const { head, violation } = timeline
  const title = titleOf(head)
  document.title = title
  part('title').textContent = title
  part('what').textContent = `${head.what}${head.keep === null ? '' : ` · ${head.keep}`}`
  const broken = part('broken')
  broken.hidden = violation === null
  if (violation !== null) broken.textContent = `${violation.code} at ${timeText(violation.at)}: ${violation.message}`
  broken.title = violation?.message ?? ''
}

function titleOf({ seed, mutant }: TimelineHead): string {
  return `Odradek · seed ${seed}${mutant === null ? '' : ` · mutant ${mutant}`}`
}

function fillChoices({ run: { timeline }, partition }: State): void {
  const names = new Set([...timeline.lanes.map(({ name }) => name), ...timeline.actors.filter((name) => name !== '')])
  part('actors').replaceChildren(...[...names].map((name) => new Option(name, name)))
  const none = new Option('none', '-1')
  const options = timeline.partitions.map(({ name }, index) => new Option(name, `${index}`, index === partition, index === partition))
  part('partition').replaceChildren(none, ...options)
}

/** A click hides a family or shows it; with Shift, only that one is shown, or all of them again. */
function makeLegend(current: () => State, change: (next: State) => void): void {
  const { run } = current()
  const counts = FAMILIES.map(() => 0)
  for (const families of [run.flights.family, run.steps.family]) for (const family of families) counts[family]! += 1
  const buttons = FAMILIES.flatMap((family, index) => {
    if (counts[index] === 0) return []
    const button = document.createElement('button')
    button.type = 'button'
    button.className = 'family'
    button.dataset['family'] = family
    button.style.setProperty('--colour', `var(--family-${family})`)
    button.title = 'click: hide or show; with Shift: only this'
    const count = document.createElement('small')
    count.textContent = `${counts[index]}`
    button.append(document.createElement('i'), family, count)
    button.addEventListener('click', ({ shiftKey }) => {
      const { hidden } = current().filter
      change(withFilter(current(), { hidden: shiftKey ? onlyOrAll(hidden, family) : toggled(hidden, family) }))
    })
    return [button]
  })
  part('families').replaceChildren(...buttons)
}

function toggled(hidden: ReadonlySet<Family>, family: Family): ReadonlySet<Family> {
  return new Set(FAMILIES.filter((one) => hidden.has(one) !== (one === family)))
}

function onlyOrAll(hidden: ReadonlySet<Family>, family: Family): ReadonlySet<Family> {
  const isOnly = hidden.size === FAMILIES.length - 1 && !hidden.has(family)
  return new Set(isOnly ? [] : FAMILIES.filter((one) => one !== family))
}
