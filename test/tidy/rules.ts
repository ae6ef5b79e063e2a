/**
 * The rules of the code base as functions from a file to findings: who may import whom, what a pure room must not touch, how big things may get,
 * and what must be documented. It does NOT read files, and knows no exceptions: those are in tidy-ratchet.json.
 */
import { posix } from 'node:path'
import { finding, isNode, lineAt, nameOf, walk } from './source.ts'
import type { Finding, SourceFile, SyntaxNode } from './source.ts'

/** A room that ships, in the order of their layers. */
export type Room = 'protocol' | 'partitions' | 'coordinator' | 'actors' | 'runtime' | 'simulation' | 'edge' | 'testing'

/** Who may import whom: names of rooms, or of single files. A room may always import itself. */
export const ROOM_IMPORTS: Readonly<Record<Room, readonly string[]>> = {
  protocol: [],
  partitions: ['protocol'],
  coordinator: ['protocol', 'partitions'],
  actors: ['protocol', 'partitions', 'coordinator'],
  runtime: ['protocol', 'actors/actor.ts', 'actors/effect.ts'],
  simulation: ['protocol', 'partitions', 'coordinator', 'actors', 'runtime/codec.ts'],
  edge: ['protocol', 'actors', 'runtime'],
  testing: ['protocol', 'actors', 'simulation', 'edge'],
}

/** Rooms without time, randomness, waiting and the outside world. */
export const PURE_ROOMS: readonly Room[] = ['protocol', 'partitions', 'coordinator', 'actors']

/** A file stops here; beyond it, it holds more than one idea. */
export const FILE_LINES_MAX = 400

/** A function stops here: it must fit a screen. */
export const FUNCTION_LINES_MAX = 60

/** A header that says something has at least this many characters. */
const HEADER_CHARACTERS_MIN = 40

/** Packages that are pure functions, so that a pure room may call them: a checksum, with our own as fall-back. */
const PURE_PACKAGES: readonly string[] = ['@node-rs/crc32']

const IMPURE_NAMES: ReadonlySet<string> = new Set([
  'Date',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'process',
  'performance',
  'Buffer',
  'Promise',
  'globalThis',
  'console',
  'crypto',
])

/** The room of a path, or null outside the rooms. */
export function roomOf(path: string): Room | null {
  const name = path.split('/')[0] ?? ''
  return Object.hasOwn(ROOM_IMPORTS, name) ? (name as Room) : null
}

/** A room imports only what the table of rooms allows; a pure room no package either. */
export function checkImports(file: SourceFile): Finding[] {
  const room = roomOf(file.path)
  if (room === null) return []
  const found: Finding[] = []
  for (const { specifier, at } of file.imports) {
    const reason = specifier.startsWith('.') ? refuseFile(room, file.path, specifier) : refusePackage(room, specifier)
    if (reason !== null) found.push(finding(file, at, reason))
  }
  return found
}

/** A pure room has no clock, no randomness, no timers, no promises and no Node. */
export function checkPurity(file: SourceFile): Finding[] {
  const room = roomOf(file.path)
  if (room === null || !PURE_ROOMS.includes(room)) return []
  const found: Finding[] = []
  walk(file.program, (node, parent) => {
    const impure = impurity(node, parent)
    if (impure !== null) found.push(finding(file, node.start, `${impure} in a pure room: take it as a value, or return an effect`))
  })
  return found
}

/** Simulations draw from their own generators. */
export function checkDeterminism(file: SourceFile): Finding[] {
  if (roomOf(file.path) !== 'simulation') return []
  const found: Finding[] = []
  walk(file.program, (node) => {
    if (isMathRandom(node)) found.push(finding(file, node.start, 'Math.random in the simulator: draw from a seeded generator'))
  })
  return found
}

/** No `any`, enum, namespace, default export, or inheritance other than from Error. */
export function checkLanguage(file: SourceFile): Finding[] {
  const found: Finding[] = []
  walk(file.program, (node) => {
    const reason = refuseSyntax(node)
    if (reason !== null) found.push(finding(file, node.start, reason))
  })
  return found
}

/** The emitter rewrites imports, but no other text: a path ending in `.ts` would point nowhere in the package. Modules export their own URL. */
export function checkEmittedPaths(file: SourceFile): Finding[] {
  if (roomOf(file.path) === null && !file.path.startsWith('bench/')) return []
  const found: Finding[] = []
  walk(file.program, (node, parent) => {
    const isPath = node.type === 'Literal' && typeof node['value'] === 'string' && /^\.{1,2}\/.*\.ts$/.test(node['value'])
    if (isPath && parent?.['source'] !== node)
      found.push(finding(file, node.start, 'a path ending in .ts that the emitter leaves alone: export import.meta.url there'))
  })
  return found
}

/** No reminders in comments: they are issues that nobody reads. */
export function checkReminders(file: SourceFile): Finding[] {
  const reminders = file.comments.filter(({ text }) => /\b(TODO|FIXME|XXX|HACK)\b/.test(text))
  return reminders.map(({ start }) => finding(file, start, 'a reminder in a comment: do it, or drop it'))
}

/** Each file begins with a comment that says what it decides. */
export function checkHeader(file: SourceFile): Finding[] {
  const first = file.program['body']
  const firstStart = Array.isArray(first) && isNode(first[0]) ? first[0].start : file.text.length
  const header = file.comments.filter(({ end }) => end <= firstStart)
  const characters = header.reduce((sum, { text }) => sum + text.trim().length, 0)
  const startsAt = header[0] === undefined ? 0 : lineAt(file, header[0].start)
  const isShebang = file.text.startsWith('#!')
  const isFirst = startsAt === (isShebang ? 2 : 1)
  return isFirst && characters >= HEADER_CHARACTERS_MIN ? [] : [finding(file, 0, 'no header comment that says what this file decides')]
}

/** The names of exported declarations without a doc comment directly above them. */
export function undocumentedExports(file: SourceFile): { readonly name: string; readonly at: number }[] {
  const body = file.program['body']
  if (!Array.isArray(body)) return []
  const exported = body.filter((node): node is SyntaxNode => isNode(node, 'ExportNamedDeclaration') && isNode(node['declaration']))
  const bare = exported.filter((node) => !hasDocComment(file, node))
  const names = bare.map((node) => ({ name: declaredName(node['declaration']), at: node.start }))
  const overloads = new Set(exported.filter((node) => hasDocComment(file, node)).map((node) => declaredName(node['declaration'])))
  return names.filter(({ name }) => !overloads.has(name))
}

/** How many lines a file has. */
export function fileLines(file: SourceFile): number {
  return file.text.trimEnd().split('\n').length
}

/** Every function with the number of its lines; suites (callbacks of `describe`) are lists of tests, not functions. */
export function functionLines(file: SourceFile): { readonly name: string; readonly lines: number; readonly at: number }[] {
  const functions: { name: string; lines: number; at: number }[] = []
  walk(file.program, (node, parent) => {
    if (!['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'].includes(node.type)) return
    if (isNode(parent, 'CallExpression') && isSuite(parent['callee'])) return
    const lines = lineAt(file, node.end) - lineAt(file, node.start) + 1
    functions.push({ name: functionName(node, parent), lines, at: node.start })
  })
  return functions
}

function refuseFile(room: Room, path: string, specifier: string): string | null {
  const target = posix.join(posix.dirname(path), specifier)
  if (target === 'package.json' && room === 'edge') return null
  const targetRoom = target.split('/')[0] ?? ''
  const allowed = targetRoom === room || ROOM_IMPORTS[room].includes(targetRoom) || ROOM_IMPORTS[room].includes(target)
  return allowed ? null : `${room} must not import ${target}: it may import ${ROOM_IMPORTS[room].join(', ') || 'nothing but itself'}`
}

function refusePackage(room: Room, specifier: string): string | null {
  return PURE_ROOMS.includes(room) && !PURE_PACKAGES.includes(specifier)
    ? `a pure room must not import ${specifier}: have it handed in`
    : null
}

function impurity(node: SyntaxNode, parent: SyntaxNode | null): string | null {
  if (node.type === 'AwaitExpression') return 'await'
  if (node['async'] === true) return 'async'
  if (isMathRandom(node)) return 'Math.random'
  const name = nameOf(node)
  if (name === null || !IMPURE_NAMES.has(name) || parent === null) return null
  const isProperty =
    (parent.type === 'MemberExpression' && parent['property'] === node && parent['computed'] !== true) || isKey(node, parent)
  return isProperty ? null : name
}

function isKey(node: SyntaxNode, parent: SyntaxNode): boolean {
  return parent['key'] === node && parent['computed'] !== true && parent['shorthand'] !== true
}

function isMathRandom(node: SyntaxNode): boolean {
  return node.type === 'MemberExpression' && nameOf(node['object']) === 'Math' && nameOf(node['property']) === 'random'
}

function refuseSyntax(node: SyntaxNode): string | null {
  if (node.type === 'TSAnyKeyword') return '`any`: say what it is, or `unknown`'
  if (node.type === 'TSEnumDeclaration') return 'enum: use a union of string literals'
  if (node.type === 'TSModuleDeclaration') return 'namespace: a file is the namespace'
  if (node.type === 'ExportDefaultDeclaration') return 'default export: give it a name'
  if (node.type !== 'ClassDeclaration' && node.type !== 'ClassExpression') return null
  return node['superClass'] === null || nameOf(node['superClass']) === 'Error'
    ? null
    : 'extends: only errors inherit; hold the other object instead'
}

function hasDocComment(file: SourceFile, node: SyntaxNode): boolean {
  const before = file.comments.filter(({ end }) => end <= node.start).at(-1)
  if (before === undefined || !before.isBlock || !before.text.startsWith('*')) return false
  return /^\s*$/.test(file.text.slice(before.end, node.start)) && before.text.trim().length > 1
}

function declaredName(declaration: unknown): string {
  if (!isNode(declaration)) return '?'
  const declarators = declaration['declarations']
  const first: unknown = Array.isArray(declarators) ? declarators[0] : declaration
  return isNode(first) ? (nameOf(first['id']) ?? '?') : '?'
}

function functionName(node: SyntaxNode, parent: SyntaxNode | null): string {
  const own = nameOf(node['id']) ?? nameOf(parent?.['key']) ?? nameOf(parent?.['id'])
  if (own !== null) return own
  const callee = isNode(parent, 'CallExpression') ? nameOf(parent['callee']) : null
  return callee === null ? '(anonymous)' : `(callback of ${callee})`
}

function isSuite(callee: unknown): boolean {
  if (!isNode(callee)) return false
  if (callee.type === 'MemberExpression') return isSuite(callee['object'])
  return callee.type === 'CallExpression' ? isSuite(callee['callee']) : nameOf(callee) === 'describe'
}
