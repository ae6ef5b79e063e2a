/**
 * A source file as the tidy rules see it: its text, its syntax tree and what it imports. Reading goes through a real parser, so that a word in
 * a string or a comment is never mistaken for code. It does NOT judge: the rules do.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync } from 'oxc-parser'

/** Any node of the syntax tree (ESTree with TypeScript's additions); its other fields depend on `type`. */
export interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [field: string]: unknown
}

/** A comment; `text` is without its marks. */
export interface SourceComment {
  readonly text: string
  readonly isBlock: boolean
  readonly start: number
  readonly end: number
}

/** One module that a file names: `import`, `export from`, `import()`, or `new URL(…, import.meta.url)`. */
export interface SourceImport {
  readonly specifier: string
  readonly at: number
}

/** A parsed file. `path` is relative to the root, with slashes. */
export interface SourceFile {
  readonly path: string
  readonly text: string
  readonly program: SyntaxNode
  readonly comments: readonly SourceComment[]
  readonly imports: readonly SourceImport[]
}

/** What a rule found, and where. */
export interface Finding {
  readonly path: string
  readonly line: number
  readonly message: string
}

/** Parses a text as if it were the file at that path; throws if it is not TypeScript. */
export function parseSource(path: string, text: string): SourceFile {
  const result = parseSync(path, text)
  const error = result.errors[0]
  if (error !== undefined) throw new Error(`${path}: ${error.message}`)
  const program = result.program as unknown as SyntaxNode
  const comments = result.comments.map(({ type, value, start, end }) => ({ text: value, isBlock: type === 'Block', start, end }))
  return { path, text, program, comments, imports: importsOf(program) }
}

/** All TypeScript files below a directory of the root, sorted by path. */
export function readSources(root: string, directory: string): SourceFile[] {
  const names = readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
  const paths = names.filter((name) => name.endsWith('.ts')).map((name) => `${directory}/${name.replaceAll('\\', '/')}`)
  return paths.toSorted().map((path) => parseSource(path, readFileSync(join(root, path), 'utf8')))
}

/** Calls back for every node of the tree, parents first. */
export function walk(
  node: SyntaxNode,
  visit: (node: SyntaxNode, parent: SyntaxNode | null) => void,
  parent: SyntaxNode | null = null,
): void {
  visit(node, parent)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) walk(child, visit, node)
    }
  }
}

/** Whether a value is a node of the tree (of a given type). */
export function isNode(value: unknown, type?: string): value is SyntaxNode {
  if (typeof value !== 'object' || value === null || !('type' in value) || !('start' in value)) return false
  return type === undefined || value.type === type
}

/** The line of a position, from 1. */
export function lineAt(file: SourceFile, position: number): number {
  return file.text.slice(0, position).split('\n').length
}

/** A finding in a file at a position. */
export function finding(file: SourceFile, position: number, message: string): Finding {
  return { path: file.path, line: lineAt(file, position), message }
}

/** The name that an identifier node carries, or null for any other node. */
export function nameOf(node: unknown): string | null {
  if (!isNode(node)) return null
  if (node.type !== 'Identifier' && node.type !== 'PrivateIdentifier') return null
  return String(node['name'])
}

function importsOf(program: SyntaxNode): SourceImport[] {
  const imports: SourceImport[] = []
  walk(program, (node) => {
    const literal = moduleLiteral(node)
    const specifier = isNode(literal, 'Literal') ? literal['value'] : null
    const isDirectory = typeof specifier === 'string' && specifier.endsWith('/')
    if (typeof specifier === 'string' && !isDirectory) imports.push({ specifier, at: node.start })
  })
  return imports
}

function moduleLiteral(node: SyntaxNode): unknown {
  if (node.type === 'NewExpression' && nameOf(node['callee']) === 'URL') return relativeUrl(node['arguments'])
  const hasSource = ['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration', 'ImportExpression', 'TSImportType'].includes(
    node.type,
  )
  return hasSource ? node['source'] : null
}

function relativeUrl(parameters: unknown): unknown {
  if (!Array.isArray(parameters) || parameters.length !== 2) return null
  const base: unknown = parameters[1]
  return isNode(base, 'MemberExpression') && isNode(base['object'], 'MetaProperty') ? parameters[0] : null
}
