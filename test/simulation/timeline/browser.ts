/**
 * A real browser for tests: Chromium out of an npm package, driven by the DevTools protocol over a pipe. It needs nothing that is not in the package: its libraries and a
 * font are there, too. `CHROMIUM` names another one, where that one does not run (it is for Linux on x64).
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'

/** A browser with one page. */
export interface Browser {
  /** What went wrong on the page. */
  readonly errors: readonly string[]
  /** Opens a page, and waits until the expression is true there. */
  open(url: string, until: string): Promise<void>
  /** The value of an expression on the page. */
  evaluate<Value>(expression: string): Promise<Value>
  click(x: number, y: number): Promise<void>
  wheel(x: number, y: number, deltaY: number): Promise<void>
  drag(from: readonly [number, number], to: readonly [number, number]): Promise<void>
  press(key: string): Promise<void>
  type(text: string): Promise<void>
  colours(scheme: 'light' | 'dark'): Promise<void>
  screenshot(path: string): Promise<void>
  close(): Promise<void>
}

/** The window, in pixels. */
export const WINDOW: { readonly width: number; readonly height: number } = { width: 1440, height: 900 }

const ARGUMENTS = [
  ...['--headless', '--no-sandbox', '--no-zygote', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars', '--no-first-run'],
  ...['--remote-debugging-pipe', '--font-render-hinting=none', '--disable-extensions', '--disable-background-networking'],
]

const LOAD_MILLIS_MAX = 15_000
const ANSWER_MILLIS_MAX = 20_000

type Answer = (answer: Reply) => void

interface Reply {
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

interface Incoming extends Reply {
  readonly id?: number
  readonly method?: string
  readonly params?: {
    readonly exceptionDetails?: unknown
    readonly entry?: { readonly level: string }
    readonly type?: string
    readonly args?: unknown
  }
}

/** Starts it; `close` ends it and leaves nothing behind. */
export async function startBrowser(): Promise<Browser> {
  const directory = mkdtempSync(join(tmpdir(), 'chromium-'))
  const { path, environment } = await unpack(directory)
  const parameters = [...ARGUMENTS, `--user-data-dir=${join(directory, 'profile')}`, `--window-size=${WINDOW.width},${WINDOW.height}`]
  const child = spawn(path, [...parameters, 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'], env: environment })
  const isOver = new Promise((resolve) => child.once('exit', resolve).once('error', resolve))
  const end = async (): Promise<void> => {
    child.kill('SIGKILL')
    await isOver
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  }
  const connection = new Connection(child)
  try {
    return new Page(connection, await attach(connection), end)
  } catch (error) {
    await end()
    throw error
  }
}

/** Unpacks it, and what it needs, into a directory. The package looks at the environment when it is loaded. */
async function unpack(directory: string): Promise<{ path: string; environment: NodeJS.ProcessEnv }> {
  const { CHROMIUM: own } = process.env
  if (own !== undefined) return { path: own, environment: process.env }
  const before = { ...process.env }
  // With a name of an environment that has no libraries of its own, the package unpacks those that it has.
  Object.assign(process.env, { TMPDIR: directory, AWS_LAMBDA_JS_RUNTIME: 'nodejs22.x' })
  try {
    const { default: chromium } = await import('@sparticuz/chromium')
    chromium.setGraphicsMode = false
    const path = await chromium.executablePath()
    return { path, environment: { ...process.env, HOME: directory, FONTCONFIG_FILE: describeFonts(directory) } }
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
    Object.assign(process.env, before)
  }
}

/** The package looks for its font in one place only, which may not be ours. */
function describeFonts(directory: string): string {
  const path = join(directory, 'fonts.conf')
  writeFileSync(
    path,
    `<fontconfig><dir>${join(directory, 'fonts')}</dir><cachedir>${join(directory, 'fonts-cache')}</cachedir></fontconfig>\n`,
  )
  return path
}

async function attach(connection: Connection): Promise<string> {
  const { targetInfos } = await connection.send<{ targetInfos: { targetId: string; type: string }[] }>('Target.getTargets')
  const target = targetInfos.find(({ type }) => type === 'page')
  const parameters = { targetId: target?.targetId, flatten: true }
  const { sessionId } = await connection.send<{ sessionId: string }>('Target.attachToTarget', parameters)
  for (const domain of ['Page', 'Runtime', 'Log']) await connection.send(`${domain}.enable`, {}, sessionId)
  return sessionId
}

/** Requests and answers, as JSON that ends with a zero. */
class Connection {
  readonly errors: string[] = []
  readonly #toBrowser: Writable
  readonly #waiting: Map<number, Answer> = new Map()
  #id = 0
  #rest = ''
  #said = ''

  constructor(child: ChildProcess) {
    this.#toBrowser = child.stdio[3] as Writable
    const fromBrowser = child.stdio[4] as Readable
    fromBrowser.setEncoding('utf8')
    fromBrowser.on('data', (text: string) => this.#read(text))
    child.stderr?.on('data', (text: Buffer) => (this.#said = `${this.#said}${text.toString()}`.slice(-2000)))
    const end = (): void => {
      for (const answer of this.#waiting.values()) answer({ error: { message: `the browser has ended: ${this.#said}` } })
    }
    child.once('exit', end)
    child.once('error', ({ message }) => {
      this.#said = message
      end()
    })
    this.#toBrowser.on('error', () => undefined)
  }

  async send<Result>(method: string, params: object = {}, sessionId?: string): Promise<Result> {
    const id = ++this.#id
    const { promise, resolve } = Promise.withResolvers<Reply>()
    this.#waiting.set(id, resolve)
    const tooLate = { error: { message: `no answer after ${ANSWER_MILLIS_MAX} ms: ${this.#said}` } }
    const timer = setTimeout(() => resolve(tooLate), ANSWER_MILLIS_MAX)
    this.#toBrowser.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    const { result, error } = await promise.finally(() => clearTimeout(timer))
    if (error !== undefined) throw new Error(`${method}: ${error.message}`)
    return result as Result
  }

  #read(text: string): void {
    const messages = `${this.#rest}${text}`.split('\0')
    this.#rest = messages.pop() ?? ''
    for (const message of messages) this.#take(JSON.parse(message) as Incoming)
  }

  #take({ id, method, params, ...reply }: Incoming): void {
    if (id !== undefined) {
      this.#waiting.get(id)?.(reply)
      this.#waiting.delete(id)
    } else if (method === 'Runtime.exceptionThrown') this.errors.push(JSON.stringify(params?.exceptionDetails))
    else if (params?.entry?.level === 'error') this.errors.push(JSON.stringify(params?.entry))
    else if (method === 'Runtime.consoleAPICalled' && params?.type === 'error') this.errors.push(JSON.stringify(params.args))
  }
}

class Page implements Browser {
  readonly close: () => Promise<void>
  readonly #connection: Connection
  readonly #session: string

  constructor(connection: Connection, session: string, close: () => Promise<void>) {
    this.#connection = connection
    this.#session = session
    this.close = close
  }

  get errors(): readonly string[] {
    return this.#connection.errors
  }

  async open(url: string, until: string): Promise<void> {
    await this.#send('Emulation.setDeviceMetricsOverride', { ...WINDOW, deviceScaleFactor: 1, mobile: false })
    await this.#send('Page.navigate', { url })
    const deadline = performance.now() + LOAD_MILLIS_MAX
    while (!(await this.evaluate<boolean>(until))) {
      if (performance.now() > deadline) throw new Error(`not so after ${LOAD_MILLIS_MAX} ms: ${until}; ${this.errors.join('\n')}`)
    }
  }

  async evaluate<Value>(expression: string): Promise<Value> {
    // Whatever was asked for before is painted by then.
    const awaited = `new Promise((done) => requestAnimationFrame(() => setTimeout(done))).then(() => (${expression}))`
    const { result, exceptionDetails } = await this.#send<{
      result: { value: Value }
      exceptionDetails?: { exception?: { description?: string } }
    }>('Runtime.evaluate', { expression: awaited, awaitPromise: true, returnByValue: true })
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description ?? 'the page threw')
    return result.value
  }

  async click(x: number, y: number): Promise<void> {
    await this.drag([x, y], [x, y])
  }

  async wheel(x: number, y: number, deltaY: number): Promise<void> {
    await this.#send('Input.dispatchMouseEvent', { type: 'mouseWheel', x, y, deltaX: 0, deltaY })
  }

  async drag(from: readonly [number, number], to: readonly [number, number]): Promise<void> {
    const mouse = (type: string, [x, y]: readonly [number, number], buttons: number): Promise<unknown> =>
      this.#send('Input.dispatchMouseEvent', {
        type,
        x,
        y,
        buttons,
        button: type === 'mouseMoved' && buttons === 0 ? 'none' : 'left',
        clickCount: 1,
      })
    await mouse('mouseMoved', from, 0)
    await mouse('mousePressed', from, 1)
    if (from[0] !== to[0] || from[1] !== to[1]) await mouse('mouseMoved', to, 1)
    await mouse('mouseReleased', to, 0)
  }

  async press(key: string): Promise<void> {
    const text = key.length === 1 ? { text: key } : {}
    await this.#send('Input.dispatchKeyEvent', { type: 'keyDown', key, ...text, ...(key === 'Enter' ? { text: '\r' } : {}) })
    await this.#send('Input.dispatchKeyEvent', { type: 'keyUp', key })
  }

  async type(text: string): Promise<void> {
    await this.#send('Input.insertText', { text })
  }

  async colours(scheme: 'light' | 'dark'): Promise<void> {
    await this.#send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] })
  }

  async screenshot(path: string): Promise<void> {
    const { data } = await this.#send<{ data: string }>('Page.captureScreenshot', { format: 'png' })
    writeFileSync(path, Buffer.from(data, 'base64'))
  }

  #send<Result>(method: string, params: object): Promise<Result> {
    return this.#connection.send(method, params, this.#session)
  }
}
