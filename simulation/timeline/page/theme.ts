/**
 * Colours as the style sheet has them, light or dark.
 */
import { FAMILIES } from '../families.ts'

/** All colours that are painted with. */
export interface Theme {
  readonly ground: string
  readonly lane: string
  readonly line: string
  readonly text: string
  readonly quiet: string
  readonly fault: string
  readonly broken: string
  readonly good: string
  readonly warm: string
  readonly chosen: string
  /** By family. */
  readonly families: readonly string[]
  /** By node, again and again. */
  readonly nodes: readonly string[]
}

/** How many nodes have a colour of their own. */
const NODE_COLOURS = 5

/** Reads the colours. */
export function readTheme(): Theme {
  const style = getComputedStyle(document.documentElement)
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim()
  return {
    ground: colour('ground'),
    lane: colour('lane'),
    line: colour('line'),
    text: colour('text'),
    quiet: colour('quiet'),
    fault: colour('fault'),
    broken: colour('broken'),
    good: colour('good'),
    warm: colour('warm'),
    chosen: colour('chosen'),
    families: FAMILIES.map((family) => colour(`family-${family}`)),
    nodes: Array.from({ length: NODE_COLOURS }, (_, node) => colour(`node-${node}`)),
  }
}

/** The colour of a node. */
export function nodeColour({ nodes }: Theme, node: number): string {
  return nodes[node % nodes.length] ?? ''
}
