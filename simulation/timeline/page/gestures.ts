/**
 * Pointer, wheel and keys over the picture: zoom, move, choose.
 */
import { inShort } from './describe.ts'
import { AXIS_HEIGHT } from './paint.ts'
import { mapView } from './paint-map.ts'
import { part } from './parts.ts'
import { pick } from './pick.ts'
import type { Place } from './pick.ts'
import { atBroken, withNextHit } from './state.ts'
import type { State } from './state.ts'
import { around, panned, timeOf, whole, zoomed } from './view.ts'
import { ZOOM_STEP, zoomedBy } from './controls.ts'

type Change = (next: State) => void

/** What moves less than this, in pixels, is a click. */
const CLICK_PIXELS = 4

/** How much a pixel of the wheel zooms. */
const WHEEL_ZOOM = 0.0018

/** How far a key moves, in pixels. */
const KEY_PIXELS = 120

/** Listens to everything over the picture. */
export function listenToPicture(current: () => State, change: Change): void {
  const canvas = part('picture', HTMLCanvasElement)
  listenToWheel(canvas, current, change)
  listenToDrag(canvas, current, change)
  listenToMap(current, change)
  canvas.addEventListener('pointerleave', () => (part('tip').hidden = true))
  canvas.addEventListener('dblclick', ({ offsetX }) => {
    const state = current()
    change({ ...state, view: zoomed(state.view, state.bounds, offsetX, 1 / ZOOM_STEP ** 3) })
  })
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLSelectElement) return
    const next = onKey(event.key, current())
    if (next === null) return
    event.preventDefault()
    change(next)
  })
}

function listenToWheel(canvas: HTMLCanvasElement, current: () => State, change: Change): void {
  const onWheel = (event: WheelEvent): void => {
    event.preventDefault()
    const state = current()
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      return change({ ...state, view: panned(state.view, state.bounds, -(event.deltaX || event.deltaY)) })
    }
    change({ ...state, view: zoomed(state.view, state.bounds, event.offsetX, Math.exp(event.deltaY * WHEEL_ZOOM)) })
  }
  canvas.addEventListener('wheel', onWheel, { passive: false })
}

function listenToDrag(canvas: HTMLCanvasElement, current: () => State, change: Change): void {
  let from: { readonly x: number; readonly y: number; readonly state: State } | null = null
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId)
    from = { x: event.offsetX, y: event.offsetY, state: current() }
  })
  canvas.addEventListener('pointermove', (event) => {
    if (from === null) return showTip(event, current())
    part('tip').hidden = true
    const { state } = from
    const view = panned(state.view, state.bounds, event.offsetX - from.x)
    change({ ...current(), view, scroll: state.scroll - (event.offsetY - from.y) })
  })
  canvas.addEventListener('pointerup', (event) => {
    const isClick = from !== null && Math.hypot(event.offsetX - from.x, event.offsetY - from.y) < CLICK_PIXELS
    from = null
    if (isClick) change({ ...current(), chosen: pick(current(), placeOf(event, current())) })
  })
  canvas.addEventListener('pointercancel', () => (from = null))
}

function placeOf({ offsetX, offsetY }: PointerEvent, { scroll }: State): Place {
  return { x: offsetX, y: offsetY - AXIS_HEIGHT + scroll }
}

function showTip(event: PointerEvent, state: State): void {
  const tip = part('tip')
  const found = event.offsetX < state.view.left ? null : pick(state, placeOf(event, state))
  tip.hidden = found === null
  if (found === null) return
  tip.textContent = inShort(state.run, found)
  const isRight = event.offsetX > state.view.left + state.view.width - 360
  tip.style.left = isRight ? 'auto' : `${event.offsetX + 14}px`
  tip.style.right = isRight ? `${state.view.left + state.view.width - event.offsetX + 14}px` : 'auto'
  tip.style.top = `${event.offsetY + 16}px`
}

/** The window goes where the map is pressed. */
function listenToMap(current: () => State, change: Change): void {
  const map = part('map', HTMLCanvasElement)
  let isPressed = false
  const go = ({ offsetX }: PointerEvent): void => {
    const state = current()
    const time = timeOf(mapView(state.view, state.bounds), offsetX)
    change({ ...state, view: around(state.view, state.bounds, { time, span: state.view.end - state.view.begin }) })
  }
  map.addEventListener('pointerdown', (event) => {
    map.setPointerCapture(event.pointerId)
    isPressed = true
    go(event)
  })
  map.addEventListener('pointermove', (event) => {
    if (isPressed) go(event)
  })
  for (const end of ['pointerup', 'pointercancel'] as const) map.addEventListener(end, () => (isPressed = false))
}

/** Null: the key means nothing here. */
function onKey(key: string, state: State): State | null {
  const moved = (pixels: number): State => ({ ...state, view: panned(state.view, state.bounds, pixels) })
  switch (key) {
    case '+':
    case '=':
      return zoomedBy(state, 1 / ZOOM_STEP)
    case '-':
      return zoomedBy(state, ZOOM_STEP)
    case 'ArrowLeft':
      return moved(KEY_PIXELS)
    case 'ArrowRight':
      return moved(-KEY_PIXELS)
    case 'ArrowUp':
      return { ...state, scroll: state.scroll - KEY_PIXELS / 2 }
    case 'ArrowDown':
      return { ...state, scroll: state.scroll + KEY_PIXELS / 2 }
    case '0':
      return { ...state, view: whole(state.view, state.bounds) }
    case 'v':
      return atBroken(state)
    case 'n':
    case 'N':
      return withNextHit(state, key === 'n' ? 1 : -1)
    case 'Escape':
      return { ...state, chosen: null }
    case '/':
      part('search').focus()
      return state
    default:
      return null
  }
}
