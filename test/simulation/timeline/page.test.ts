// The page in a real browser: it shows what happened, zooms, searches, filters, tells details, marks what is broken, and never throws.

import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { timelinePage } from '../../../simulation/timeline/page.ts'
import { recordRun } from '../../../simulation/timeline/record.ts'
import { startBrowser } from './browser.ts'
import type { Browser } from './browser.ts'

const READY = "document.body?.dataset.ready === 'yes'"

const directory = mkdtempSync(join(tmpdir(), 'timeline-'))
const wholePath = join(directory, 'whole.html')
const brokenPath = join(directory, 'broken.html')
let starting: Promise<Browser> | null = null
let browser: Browser
let printed = ''

/** A broken run, as somebody gets it from the shell: exit code 1, a smaller run, and a page of that. */
async function drawBroken(): Promise<string> {
  const parameters = ['edge/cli/main.ts', 'simulate', '--mutant', 'B15', '--seed', '1', '--timeline', brokenPath]
  return promisify(execFile)(process.execPath, parameters).then(
    () => 'nothing is broken',
    (error: { readonly code: number; readonly stdout: string }) => `exit ${error.code}\n${error.stdout}`,
  )
}

async function drawWhole(): Promise<void> {
  const subject = { seed: 10, options: { seconds: 20 }, mutant: null }
  const { timeline } = await recordRun({ subject, keep: null, what: 'a run of 20 s', commit: 'test' })
  writeFileSync(wholePath, await timelinePage(timeline))
}

beforeAll(async () => {
  starting = startBrowser()
  ;[printed, , browser] = await Promise.all([drawBroken(), drawWhole(), starting])
}, 60_000)

afterAll(async () => {
  await (await starting)?.close()
  rmSync(directory, { recursive: true, force: true })
})

const text = (id: string): Promise<string> => browser.evaluate(`document.getElementById('${id}').textContent`)
const range = (): Promise<{ begin: number; span: string }> =>
  text('range').then((shown) => ({ begin: Number.parseFloat(shown), span: shown.split('·')[1]?.trim() ?? '' }))

/** Where the picture is in the window: left, top, width and height. */
const place = (): Promise<[number, number, number, number]> =>
  browser.evaluate(
    "(({ left, top, width, height }) => [left, top, width, height])(document.getElementById('picture').getBoundingClientRect())",
  )

/** Places in the picture that have a colour of the style sheet, up to a hundred, from the top. */
const painted = (colour: string): Promise<[number, number][]> =>
  browser.evaluate(`(() => {
    const canvas = document.getElementById('picture')
    const probe = document.createElement('canvas').getContext('2d')
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--${colour}')
    probe.fillRect(0, 0, 1, 1)
    const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data
    const { data, width } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    const found = []
    for (let at = 0; at < data.length && found.length < 100; at += 4)
      if (data[at] === red && data[at + 1] === green && data[at + 2] === blue && data[at + 3] === 255) found.push([(at / 4) % width, Math.floor(at / 4 / width)])
    return found
  })()`)

describe('the page of a whole run', () => {
  beforeEach(async () => {
    await browser.colours('light')
    await browser.open(pathToFileURL(wholePath).href, READY)
    return () => expect(browser.errors).toEqual([])
  })

  test('says what it shows, and needs nothing else', async () => {
    expect(await text('title')).toBe('Odradek · seed 10')
    expect(await text('what')).toBe('a run of 20 s')
    expect(await text('panel')).toContain('npm run simulate -- --seed 10 --seconds 20')
    expect(await browser.evaluate('performance.getEntriesByType("resource").length')).toBe(0)
    expect(readFileSync(wholePath, 'utf8')).not.toMatch(/(?:src|href)=|https?:/)
  })

  test('paints lanes, messages, leaders, faults and transactions', async () => {
    for (const colour of ['lane', 'node-0', 'node-1', 'node-2', 'family-quorum', 'family-produce', 'family-transactions', 'fault'])
      expect((await painted(colour)).length, colour).toBeGreaterThan(5)
  })

  test('zooms around the pointer, moves, and shows everything again', async () => {
    const [left, top, width] = await place()
    const whole = await range()
    await browser.wheel(left + width / 2, top + 200, -3000)
    const near = await range()
    expect(near.begin).toBeGreaterThan(whole.begin)
    expect(near.span).not.toBe(whole.span)
    await browser.drag([left + 600, top + 200], [left + 300, top + 200])
    const later = await range()
    expect(later.begin).toBeGreaterThan(near.begin)
    expect(later.span).toBe(near.span)
    await browser.press('ArrowLeft')
    expect((await range()).begin).toBeLessThan(later.begin)
    await browser.press('+')
    expect((await range()).span).not.toBe(near.span)
    await browser.press('0')
    expect(await range()).toEqual(whole)
  })

  test('finds what is searched for, goes on and back, and tells all of it', async () => {
    await browser.press('/')
    await browser.type('initTransactions transfers-0')
    const count = Number((await text('found')).replace('1 of ', ''))
    expect(count).toBeGreaterThan(3)
    expect(await browser.evaluate("document.querySelector('#panel h2').textContent")).toBe('initTransactions')
    const first = await range()
    await browser.press('Enter')
    expect(await text('found')).toBe(`2 of ${count}`)
    expect((await range()).begin).toBeGreaterThan(first.begin)
    await browser.evaluate("document.getElementById('previous').click()")
    expect(await text('found')).toBe(`1 of ${count}`)
    const said = JSON.parse(await browser.evaluate<string>("document.querySelector('#panel pre').textContent")) as object
    expect(said).toMatchObject({ kind: 'initTransactions', transactionalId: 'transfers-0' })
  })

  test('tells what is clicked', async () => {
    await browser.press('/')
    await browser.type('initTransactions')
    await browser.press('Escape')
    const line = (await painted('chosen')).at(-1)!
    const told = await text('panel')
    await browser.press('Escape')
    expect(await browser.evaluate("document.getElementById('panel').dataset.of")).toBe('run')
    const [left, top] = await place()
    await browser.click(left + line[0], top + line[1])
    expect(await text('panel')).toBe(told)
    expect(told).toMatch(/from.*producer@transfers-.*to.*sent at/)
  })

  test('hides a family, shows it again, or only one, or only an actor', async () => {
    const click = (family: string, shiftKey = false): Promise<boolean> =>
      browser.evaluate(
        `document.querySelector('[data-family=${family}]').dispatchEvent(new MouseEvent('click', { shiftKey: ${shiftKey} }))`,
      )
    const count = async (family: string): Promise<number> => (await painted(`family-${family}`)).length
    await click('quorum')
    expect([await count('quorum'), (await count('produce')) > 5]).toEqual([0, true])
    await click('quorum')
    expect(await count('quorum')).toBeGreaterThan(5)
    await click('replicate', true)
    expect([await count('produce'), (await count('replicate')) > 5]).toEqual([0, true])
    await click('replicate', true)
    await browser.evaluate("document.getElementById('actor').focus()")
    await browser.type('deleter')
    expect([await count('quorum'), await count('groups')]).toEqual([0, 0])
  })

  test('shows the partition that is chosen, and only what is about it', async () => {
    const choose = (name: string): Promise<boolean> =>
      browser.evaluate(`(() => {
        const select = document.getElementById('partition')
        select.value = [...select.options].find(({ text }) => text === '${name}').value
        return select.dispatchEvent(new Event('change'))
      })()`)
    await choose('__cluster_metadata-0')
    const nodes = await Promise.all([0, 1, 2].map(async (node) => (await painted(`node-${node}`)).length))
    expect(nodes.filter((pixels) => pixels > 5).length).toBeGreaterThan(1)
    await choose('orders-0')
    await browser.press('/')
    await browser.type('fetch')
    const count = async (): Promise<number> => Number((await text('found')).split(' of ')[1])
    const all = await count()
    await browser.evaluate("document.getElementById('only').click()")
    expect(await count()).toBeGreaterThan(5)
    expect(await count()).toBeLessThan(all / 2)
    await browser.evaluate("document.getElementById('only').click()")
    expect(await count()).toBe(all)
  })

  test('is dark where people like it dark', async () => {
    const light = await browser.evaluate<string>('getComputedStyle(document.body).backgroundColor')
    await browser.colours('dark')
    expect(await browser.evaluate('getComputedStyle(document.body).backgroundColor')).not.toBe(light)
    expect((await painted('lane')).length).toBeGreaterThan(50)
    expect((await painted('family-quorum')).length).toBeGreaterThan(5)
  })
})

describe('the page of a broken run', () => {
  beforeEach(async () => {
    await browser.open(pathToFileURL(brokenPath).href, READY)
    return () => expect(browser.errors).toEqual([])
  })

  test('is what is left of it when it has been made smaller, and says so', async () => {
    expect(printed).toMatch(/^exit 1\n/)
    expect(printed).toContain(`${brokenPath} shows the least of seed 1 that is still broken`)
    const keep = / --keep (\S+)/.exec(printed)?.[1]
    expect(await text('title')).toBe('Odradek · seed 1 · mutant B15')
    expect(await text('what')).toBe(`the least of seed 1 that is still broken · ${keep}`)
  })

  test('marks what is broken, and begins there', async () => {
    expect(await text('broken')).toMatch(/^HW at \d\.\d+ s: /)
    expect(await browser.evaluate("document.getElementById('panel').dataset.of")).toBe('violation')
    expect(await text('panel')).toContain('broken: HW')
    const [, , width] = await place()
    const marks = await painted('broken')
    expect(marks.length).toBeGreaterThan(50)
    expect(marks.every(([x]) => x > width / 2)).toBe(true)
    await browser.press('0')
    const whole = await range()
    await browser.press('v')
    expect((await range()).begin).toBeGreaterThanOrEqual(whole.begin)
    expect((await painted('broken')).length).toBeGreaterThan(50)
  })
})
