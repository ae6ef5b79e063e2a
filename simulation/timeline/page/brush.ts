/**
 * Small things that everybody paints: text that fits, bars, hatching.
 */
import type { Theme } from './theme.ts'

/** What is painted on, and with. */
export interface Brush {
  readonly context: CanvasRenderingContext2D
  readonly theme: Theme
}

/** A rectangle, in pixels. */
export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** The font of the page at a size. */
export function fontOf(pixels: number, weight = 400): string {
  return `${weight} ${pixels}px ui-sans-serif, system-ui, "Segoe UI", "Open Sans", sans-serif`
}

/** Writes text into a box as far as it fits; nothing, if little would. */
export function writeInside({ context }: Brush, text: string, { x, y, width, height }: Box, colour: string): void {
  if (width < 24) return
  context.save()
  context.beginPath()
  context.rect(x, y, width - 3, height)
  context.clip()
  context.fillStyle = colour
  context.textBaseline = 'middle'
  context.fillText(text, x + 8, y + height / 2 + 0.5)
  context.restore()
}

/** A bar with round corners, as far as it is on the screen. */
export function bar({ context }: Brush, { x, y, width, height }: Box, colour: string, alpha = 1): void {
  context.globalAlpha = alpha
  context.fillStyle = colour
  context.beginPath()
  context.roundRect(x, y, width, height, Math.min(3, width / 2))
  context.fill()
  context.globalAlpha = 1
}

/** Slanted lines over a box. */
export function hatch({ context }: Brush, { x, y, width, height }: Box, colour: string): void {
  context.save()
  context.beginPath()
  context.rect(x, y, width, height)
  context.clip()
  context.strokeStyle = colour
  context.lineWidth = 1
  context.beginPath()
  for (let at = x - height - ((x - height) % 7); at < x + width; at += 7) {
    context.moveTo(at, y + height)
    context.lineTo(at + height, y)
  }
  context.stroke()
  context.restore()
}

/** A box from one time to another, cut to the screen; null if it is not on it. */
export function stretch(
  from: number,
  to: number,
  { left, right, least }: { left: number; right: number; least: number },
): { x: number; width: number } | null {
  const begin = Math.max(from, left - 3)
  const end = Math.min(Math.max(to, from + least), right + 3)
  return end <= begin ? null : { x: begin, width: end - begin }
}
