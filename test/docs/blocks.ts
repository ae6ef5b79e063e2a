/**
 * Reads Markdown as far as the documentation needs it: fenced code blocks, and the names of scripts, commands and files in the text.
 * It does NOT parse Markdown in general: fences begin at the start of a line.
 */

/** A fenced block of a document. */
export interface CodeBlock {
  /** Where it is, for people: `README.md:27`. */
  readonly name: string
  /** The line of its opening fence, from 1. */
  readonly line: number
  readonly language: string
  readonly code: string
  /** What it prints: the `text` block that follows, with nothing but empty lines between; null if there is none. */
  readonly output: string | null
}

/** All fenced blocks of a document, in order. */
export function codeBlocks(path: string, text: string): CodeBlock[] {
  const fences = [...text.matchAll(/^```(\w*)\n([\s\S]*?)\n```$/gm)]
  return fences.map((fence, index) => {
    const line = text.slice(0, fence.index).split('\n').length
    return { name: `${path}:${line}`, line, language: fence[1]!, code: fence[2]!, output: outputAfter(text, fence, fences[index + 1]) }
  })
}

/** The npm scripts that a document mentions. */
export function scriptsOf(text: string): string[] {
  return [...text.matchAll(/\bnpm (?:run (?:-s )?([\w:-]+)|(start|test)\b)/g)].map((match) => match[1] ?? match[2]!)
}

/** The commands of `odradek` that the shell blocks of a document mention. */
export function commandsOf(text: string): string[] {
  const shells = codeBlocks('', text).filter(({ language }) => language === 'sh')
  return shells.flatMap(({ code }) => [...code.matchAll(/\bodradek ([a-z-]+)/g)].map((match) => match[1]!))
}

/** The files that a document links to, relative to it. */
export function filesOf(text: string): string[] {
  const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1]!)
  return links.filter((link) => !/^[a-z]+:/.test(link))
}

function outputAfter(text: string, fence: RegExpExecArray, next: RegExpExecArray | undefined): string | null {
  if (next === undefined || next[1] !== 'text' || fence[1] === 'text') return null
  const between = text.slice(fence.index + fence[0].length, next.index)
  return between.trim() === '' ? next[2]! : null
}
