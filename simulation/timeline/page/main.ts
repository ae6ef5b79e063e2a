/**
 * The page: reads the run that it carries, paints it, and listens to whoever looks at it.
 */
import type { Timeline } from '../model.ts'
import type { Brush } from './brush.ts'
import { listenToControls, showControls } from './controls.ts'
import { listenToPicture } from './gestures.ts'
import { AXIS_HEIGHT, GUTTER, paint } from './paint.ts'
import type { Picture } from './paint.ts'
import { MAP_HEIGHT, paintMap } from './paint-map.ts'
import { showPanel } from './panel.ts'
import { part } from './parts.ts'
import { prepare } from './run.ts'
import { firstState, withRoom } from './state.ts'
import type { State } from './state.ts'
import { readTheme } from './theme.ts'
import type { Theme } from './theme.ts'
import { isSame } from './thing.ts'

/** The run lies in the page as gzip in base64. */
async function readTimeline(): Promise<Timeline> {
  const packed = Uint8Array.from(atob(part('run').textContent?.trim() ?? ''), (character) => character.charCodeAt(0))
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))
  return (await new Response(stream).json()) as Timeline
}

/** A canvas that is as sharp as the screen; null brush until it has a size. */
function brushOn(id: string, { theme, height }: { theme: Theme; height: number | null }): { brush: Brush; width: number; height: number } {
  const canvas = part(id, HTMLCanvasElement)
  if (height !== null) canvas.style.height = `${height}px`
  const { clientWidth, clientHeight } = canvas
  const sharpness = devicePixelRatio
  const [width, pixels] = [Math.round(clientWidth * sharpness), Math.round(clientHeight * sharpness)]
  if (canvas.width !== width) canvas.width = width
  if (canvas.height !== pixels) canvas.height = pixels
  const context = canvas.getContext('2d')
  if (context === null) throw new Error('this browser paints no pictures')
  context.setTransform(sharpness, 0, 0, sharpness, 0, 0)
  return { brush: { context, theme }, width: clientWidth, height: clientHeight }
}

function begin(timeline: Timeline): void {
  const run = prepare(timeline)
  let theme = readTheme()
  let state: State = firstState(run, { begin: 0, end: timeline.end, left: GUTTER, width: 1000 })
  let isAsked = false
  const draw = (): void => {
    isAsked = false
    const map = brushOn('map', { theme, height: MAP_HEIGHT })
    const { brush, width, height } = brushOn('picture', { theme, height: null })
    state = withRoom(state, width - GUTTER, height - AXIS_HEIGHT)
    const picture: Picture = { ...state, width, height }
    paint(brush, picture)
    paintMap(map.brush, picture, state)
    showControls(state)
  }
  const change = (next: State): void => {
    if (!isSame(next.chosen, state.chosen)) showPanel(part('panel'), run, next.chosen)
    state = next
    if (isAsked) return
    isAsked = true
    requestAnimationFrame(draw)
  }
  const current = (): State => state
  listenToControls(current, change)
  listenToPicture(current, change)
  addEventListener('resize', () => change(state))
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    theme = readTheme()
    change(state)
  })
  showPanel(part('panel'), run, state.chosen)
  draw()
  document.body.dataset['ready'] = 'yes'
}

void readTimeline().then(begin, (error: unknown) => {
  part('title').textContent = `This page cannot be shown: ${String(error)}`
})
