/**
 * What lies behind messages and above them: lanes with their lives, faults, transactions.
 */
import { bar, fontOf, hatch, stretch, writeInside } from './brush.ts'
import type { Brush } from './brush.ts'
import { groupOf } from './fault-groups.ts'
import type { Scene } from './pick.ts'
import { groupsOf, transactionalIds } from './rows.ts'
import type { Row } from './rows.ts'
import { nodeColour } from './theme.ts'
import type { Theme } from './theme.ts'
import { xOf } from './view.ts'

/** Where something lies that lasts from one time to another; null: not on the screen. */
function place({ view, run }: Scene, begin: number, end: number, least = 1): { x: number; width: number } | null {
  const limits = { left: view.left, right: view.left + view.width, least }
  return stretch(xOf(view, begin), xOf(view, end < 0 ? run.timeline.end : end), limits)
}

/** Room for the word beside a death, in pixels. */
const DEATH_PIXELS = 62

/** A lane: where it lives, where it is paused. */
export function paintLane(brush: Brush, scene: Scene, { index, top, height, kind }: Row): void {
  const { context, theme } = brush
  const { lives, pauses, isNode } = scene.run.timeline.lanes[index]!
  const box = { y: top + 3, height: height - 6 }
  for (const { begin, end } of lives) {
    const at = place(scene, begin, end)
    if (at === null) continue
    bar(brush, { ...box, ...at }, theme.lane)
    if (isNode) bar(brush, { ...at, y: top + height - 4, height: 2 }, nodeColour(theme, index), 0.6)
    context.strokeStyle = theme.line
    context.lineWidth = 1
    context.beginPath()
    context.moveTo(at.x, top + height / 2)
    context.lineTo(at.x + at.width, top + height / 2)
    context.stroke()
  }
  for (const { begin, end } of pauses) {
    const at = place(scene, begin, end, 3)
    if (at === null) continue
    hatch(brush, { ...box, ...at }, theme.warm)
    context.font = fontOf(10)
    if (kind === 'node') writeInside(brush, 'paused', { ...at, y: top + 4, height: 12 }, theme.warm)
  }
}

/** How the host of a lane dies, above everything that is said: words where there is room for them. */
export function paintDeaths(brush: Brush, { run, view }: Scene, { index, top, height }: Row): void {
  let free = -Infinity
  for (const { end, how } of run.timeline.lanes[index]!.lives) {
    const x = xOf(view, end)
    if (how === null || how === 'client killed' || x < view.left || x > view.left + view.width) continue
    paintDeath(brush, x, { y: top + height / 2, how, hasRoom: x > free })
    free = x + DEATH_PIXELS
  }
}

function paintDeath({ context, theme }: Brush, x: number, { y, how, hasRoom }: { y: number; how: string; hasRoom: boolean }): void {
  context.strokeStyle = how === 'clean stop' ? theme.quiet : theme.fault
  context.lineWidth = 2
  context.beginPath()
  if (how === 'clean stop') {
    context.moveTo(x, y - 6)
    context.lineTo(x, y + 6)
  } else {
    context.moveTo(x - 4.5, y - 4.5)
    context.lineTo(x + 4.5, y + 4.5)
    context.moveTo(x + 4.5, y - 4.5)
    context.lineTo(x - 4.5, y + 4.5)
  }
  context.stroke()
  if (!hasRoom) return
  context.font = fontOf(10, 600)
  context.textBaseline = 'middle'
  const { width } = context.measureText(how)
  bar({ context, theme }, { x: x + 6, y: y - 16, width: width + 6, height: 13 }, theme.ground, 0.85)
  context.fillStyle = context.strokeStyle
  context.fillText(how, x + 9, y - 9)
}

/** A group of faults. */
export function paintFaults(brush: Brush, scene: Scene, { index, top, height }: Row): void {
  const { theme } = brush
  const group = groupsOf(scene.run.timeline)[index]
  brush.context.font = fontOf(10.5, 500)
  for (const { kind, begin, end } of scene.run.timeline.faults) {
    if (groupOf(kind) !== group) continue
    const at = place(scene, begin, end, 3)
    if (at === null) continue
    const box = { ...at, y: top + 2, height: height - 4 }
    bar(brush, box, theme.fault, end > begin ? 0.32 : 0.85)
    if (end > begin) bar(brush, { ...box, width: 2 }, theme.fault)
    writeInside(brush, kind, box, theme.text)
  }
}

/** A transactional id: above what its client says, below what its transactor knows. */
export function paintTransactions(brush: Brush, scene: Scene, { index, top, height }: Row): void {
  const { theme } = brush
  const { transactions, decisions } = scene.run.timeline
  const id = transactionalIds(scene.run.timeline)[index]
  const { spans } = scene.run
  brush.context.font = fontOf(10)
  transactions.forEach(({ transactionalId, stages }, i) => {
    const { begin, end } = spans[i]!
    const outcome = stages.at(-1)!.stage
    if (transactionalId !== id) return
    const at = place(scene, begin, end, 2)
    if (at === null) return
    const box = { ...at, y: top + 3, height: height / 2 - 1 }
    bar(brush, box, outcomeColour(theme, outcome), 0.75)
    writeInside(brush, outcome, box, theme.ground)
  })
  const own = decisions.filter(({ transactionalId }) => transactionalId === id)
  own.forEach(({ at: begin, state }, i) => {
    const at = place(scene, begin, own[i + 1]?.at ?? -1)
    if (at === null || state === 'empty' || state.startsWith('complete')) return
    bar(brush, { ...at, y: top + height / 2 + 4, height: 4 }, stateColour(theme, state), 0.9)
  })
}

function outcomeColour(theme: Theme, outcome: string): string {
  if (outcome === 'committed') return theme.good
  return outcome === 'aborted' ? theme.quiet : theme.warm
}

function stateColour(theme: Theme, state: string): string {
  if (state === 'prepareCommit') return theme.good
  return state === 'prepareAbort' ? theme.quiet : theme.warm
}
