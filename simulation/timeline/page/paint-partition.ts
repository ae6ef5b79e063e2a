/**
 * The chosen partition: who leads it in which epoch, and how far its replicas are.
 */
import type { PartitionHistory, ReplicaProgress } from '../model.ts'
import { bar, fontOf, stretch, writeInside } from './brush.ts'
import type { Brush } from './brush.ts'
import type { Scene } from './pick.ts'
import type { Row } from './rows.ts'
import { nodeColour } from './theme.ts'
import { xOf } from './view.ts'

/** Who leads. */
export function paintReigns(brush: Brush, scene: Scene, { top, height }: Row): void {
  const { view, run } = scene
  brush.context.font = fontOf(10.5, 500)
  for (const { node, epoch, isr, begin, end } of partitionOf(scene)?.reigns ?? []) {
    const limits = { left: view.left, right: view.left + view.width, least: 2 }
    const at = stretch(xOf(view, begin), xOf(view, end < 0 ? run.timeline.end : end), limits)
    if (at === null) continue
    const box = { ...at, y: top + 2, height: height - 4 }
    bar(brush, { ...box, width: Math.max(box.width - 1, 1) }, nodeColour(brush.theme, node), 0.8)
    const sync = isr.length === 0 ? '' : ` · in sync ${isr.join(' ')}`
    writeInside(brush, `node ${node} · epoch ${epoch}${sync}`, box, brush.theme.ground)
  }
}

/** High watermarks as lines, log ends as thin ones above them; by node. */
export function paintOffsets(brush: Brush, scene: Scene, { top, height }: Row): void {
  const { context, theme } = brush
  const partition = partitionOf(scene)
  if (partition === null) return
  const [least, most] = rangeOf(partition.replicas, scene)
  const room = { top: top + 6, height: height - 12 }
  const yOf = (offset: number): number => room.top + room.height * (1 - (offset - least) / Math.max(most - least, 1))
  context.strokeStyle = theme.line
  context.lineWidth = 1
  context.strokeRect(scene.view.left, top + 2, scene.view.width, height - 4)
  for (const replica of partition.replicas) {
    context.strokeStyle = nodeColour(theme, replica.node)
    context.globalAlpha = 0.45
    context.lineWidth = 1
    stairs(brush, scene, replica.at, { offsets: replica.logEnd, yOf })
    context.globalAlpha = 1
    context.lineWidth = 1.8
    stairs(brush, scene, replica.at, { offsets: replica.highWatermark, yOf })
  }
}

/** The least and the most offset that is seen, beside the lines. */
export function paintScale({ context, theme }: Brush, scene: Scene, { top, height }: Row): void {
  const [least, most] = rangeOf(partitionOf(scene)?.replicas ?? [], scene)
  context.font = fontOf(10)
  context.fillStyle = theme.quiet
  context.fillText(`${most}`, scene.view.left - 14, top + 9)
  context.fillText(`${least}`, scene.view.left - 14, top + height - 8)
}

function partitionOf({ run, partition }: Scene): PartitionHistory | null {
  return run.timeline.partitions[partition] ?? null
}

/** Least and most of what is seen. */
function rangeOf(replicas: readonly ReplicaProgress[], { view }: Scene): [number, number] {
  let [least, most] = [Infinity, 0]
  for (const { at, highWatermark, logEnd } of replicas) {
    at.forEach((time, i) => {
      if (time > view.end || (at[i + 1] ?? Infinity) < view.begin || highWatermark[i]! < 0) return
      least = Math.min(least, highWatermark[i]!)
      most = Math.max(most, logEnd[i]!, highWatermark[i]!)
    })
  }
  return least === Infinity ? [0, 1] : [least, Math.max(most, least + 1)]
}

function stairs(
  { context }: Brush,
  { view, run }: Scene,
  at: readonly number[],
  { offsets, yOf }: { offsets: readonly number[]; yOf: (offset: number) => number },
): void {
  context.beginPath()
  for (let i = 0; i < at.length; i++) {
    const next = at[i + 1] ?? run.timeline.end
    if (offsets[i]! < 0 || next < view.begin || at[i]! > view.end) continue
    const y = yOf(offsets[i]!)
    const isJoined = i > 0 && offsets[i - 1]! >= 0 && at[i]! >= view.begin
    if (isJoined) context.lineTo(xOf(view, at[i]!), y)
    else context.moveTo(Math.max(xOf(view, at[i]!), view.left), y)
    context.lineTo(xOf(view, next), y)
  }
  context.stroke()
}
