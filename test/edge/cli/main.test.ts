import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { open, string } from '../../../edge/client/index.ts'

const main = fileURLToPath(new URL('../../../edge/cli/main.ts', import.meta.url))
let directory = ''

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'odradek-cli-')), 'data')
})

afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }))

describe('topics', () => {
  test('are made, listed, described, changed and deleted', () => {
    expect(ok('topics', 'create', 'orders', '--partitions', '2', '--config', 'retention.ms=-1')).toContain('retentionMillis')
    expect(ok('topics', 'list')).toBe('orders\n')
    ok('topics', 'alter', 'orders', '--config', 'segmentBytes=1048576', '--reset', 'retentionMillis')
    ok('topics', 'add-partitions', 'orders', '3')
    const described = json('topics', 'describe', 'orders') as { partitions: unknown[]; config: Record<string, unknown> }
    expect(described.partitions).toHaveLength(3)
    expect(described.config).toMatchObject({ segmentBytes: 1_048_576, retentionMillis: 604_800_000 })
    expect(json('topics', 'delete', 'orders')).toEqual({ deleted: 'orders' })
    expect(json('topics', 'list')).toEqual([])
  })
})

test('records of a partition are deleted up to an offset, or to the end', () => {
  ok('topics', 'create', 'orders')
  run(['produce', 'orders'], 'a\nb\nc\n')
  const shown = json('topics', 'delete-records', 'orders', '0', '2') as { partitions: unknown[] }
  expect(shown.partitions[0]).toMatchObject({ beginOffset: 2, endOffset: 3 })
  expect(ok('consume', 'orders', '--from', 'earliest')).toBe('c\n')
  expect(run(['topics', 'delete-records', 'orders', '0', '4']).stderr).toContain('up to its high watermark 3, not up to 4')
  json('topics', 'delete-records', 'orders', '0', 'end')
  expect(ok('consume', 'orders', '--from', 'earliest')).toBe('')
})

test('what a command has done is recorded, and replayed', () => {
  const recording = join(directory, '../recording')
  ok('topics', 'create', 'orders', '--record', recording)
  expect(run(['replay', recording]).stdout).toMatch(/^\d+ inputs of \d+ actors on 1 thread, .*\nidentical: /)
  expect(JSON.parse(run(['--json', 'replay', recording]).stdout)).toMatchObject({ identical: true, divergence: null })
  expect(run(['topics', 'list', '--record', recording]).stderr).toMatch(/^FOREIGN_DIRECTORY: .* holds another recording/)
  expect(run(['replay', directory]).status).toBe(2)
})

test('share groups are listed, described and deleted', async () => {
  ok('topics', 'create', 'jobs')
  expect(ok('share-groups', 'list')).toBe('')
  run(['produce', 'jobs'], 'a\nb\nc\n')
  const cluster = await open(directory)
  const worker = cluster.shareConsumer({
    group: 'workers',
    topics: ['jobs'],
    value: string,
    autoOffsetReset: 'earliest',
    maxPollRecords: 2,
  })
  expect(await worker.poll()).toHaveLength(2)
  await worker.commit()
  await worker.close()
  await cluster.close()
  expect(json('share-groups', 'list')).toEqual([{ group: 'workers', state: 'empty' }])
  expect(ok('share-groups', 'describe', 'workers')).toMatch(/^workers: empty, 0 members\n\ntopic.*in flight +lag\njobs +0 +2 +3 +0 +1\n$/)
  expect(run(['share-groups', 'describe', 'nobody']).stderr).toContain('GROUP_ID_NOT_FOUND: there is no share group "nobody"')
  expect(ok('share-groups', 'delete', 'workers')).toBe('deleted workers\n')
  expect(json('share-groups', 'list')).toEqual([])
})

test('quotas are set, listed and removed, and clients keep to them', () => {
  ok('topics', 'create', 'orders')
  expect(ok('quotas', 'list')).toBe('')
  ok(
    'quotas',
    'set',
    '--client-id',
    'slow',
    '--producer-byte-rate',
    '200000',
    '--consumer-byte-rate',
    '400000',
    '--request-percentage',
    '12.5',
  )
  ok('quotas', 'set', '--default', 'group', '--consumer-byte-rate', '3000')
  expect(ok('quotas', 'list')).toBe(
    'entity           producer bytes/s  consumer bytes/s  requests %\n' +
      'client-id slow             200000            400000        12.5\n' +
      'group (default)  -                             3000  -\n',
  )
  const begin = performance.now()
  expect(run(['produce', 'orders', '--client-id', 'slow'], `${'x'.repeat(899)}\n`.repeat(300)).status).toBe(0)
  expect(performance.now() - begin).toBeGreaterThan(900)
  expect(ok('consume', 'orders', '--client-id', 'slow')).toHaveLength(270_000)
  expect(json('quotas', 'remove', '--client-id', 'slow')).toEqual([{ entity: { group: null }, quotas: { consumerByteRate: 3000 } }])
  expect(json('quotas', 'remove', '--default', 'group')).toEqual([])
  expect(run(['quotas', 'set', '--group', 'g', '--producer-byte-rate', '1']).stderr).toContain('INVALID_REQUEST: a group consumes')
  expect(run(['quotas', 'set', '--consumer-byte-rate', '1']).stderr).toContain('whose quota? Give --client-id')
  expect(run(['quotas', 'set', '--group', 'g']).stderr).toContain('nothing to set: give --producer-byte-rate')
  expect(run(['quotas', 'set', '--default', 'ip', '--consumer-byte-rate', '1']).stderr).toContain('--default takes client-id, user, group')
})

describe('a cluster of three nodes', () => {
  beforeEach(() => void ok('topics', 'create', 'orders', '--nodes', '3', '--partitions', '2', '--replication-factor', '2'))

  test('shows its nodes, and says who leads and who is in sync', () => {
    const text = ok('cluster')
    expect(text).toMatch(/^node +state +voter +leaders +replicas +rack\n +0 +active +yes/)
    expect(text).toMatch(/controller +\d\nunder-replicated +0\nunder-min-isr +0\noffline +0\n$/)
    expect(json('cluster')).toMatchObject({ nodes: [{ node: 0, fenced: false }, { node: 1 }, { node: 2 }], underReplicatedPartitions: 0 })
    const { partitions } = json('topics', 'describe', 'orders') as { partitions: { minInsync: number; lags: { node: number }[] }[] }
    expect(partitions).toMatchObject([
      { minInsync: 2, lags: [{}, {}] },
      { minInsync: 2, lags: [{}, {}] },
    ])
    expect(ok('topics', 'describe', 'orders')).toMatch(
      /partition +leader +epoch +replicas +isr +elr +lag +begin +end +bytes\n +0 +\d +\d+ +\d,\d +\d(,\d)? +[-\d] +[-0],[-0] +0 +0 +0\n/,
    )
  })

  test('says which partitions are offline, a few by name, and the rest of a topic', () => {
    ok('topics', 'create', 'lone', '--partitions', '36', '--replication-factor', '1')
    rmSync(join(directory, 'node-2'), { recursive: true })
    expect(ok('cluster')).toMatch(/\noffline +12 +lone-\d+( lone-\d+){9} and 2 more\n$/)
    expect((json('cluster') as { offline: unknown[] }).offline).toHaveLength(12)
    expect(ok('topics', 'describe', 'lone')).toMatch(/\n +\d+ +none +\d+ +2 +- +- +- +- +-\n/)
    // The partitions that are there are read.
    const { partitions } = json('topics', 'describe', 'lone') as { partitions: { partition: number; leader: number }[] }
    const led = partitions.find(({ leader }) => leader >= 0)!
    expect(ok('consume', 'lone', '--partition', `${led.partition}`, '--from', '@0')).toBe('')
  })

  test('moves a partition, and the command ends when it is there', () => {
    run(['produce', 'orders', '--acks', '2'], 'a\nb\n')
    const moved = json('topics', 'reassign', 'orders', '0', '2,1,0') as { partitions: { replicas: number[]; isr: number[] }[] }
    expect(moved.partitions[0]).toMatchObject({ replicas: [2, 1, 0] })
    expect(ok('consume', 'orders').split('\n').toSorted()).toEqual(['', 'a', 'b'])
    for (const parameters of [[], ['1', '--cancel']])
      expect(run(['topics', 'reassign', 'orders', '0', ...parameters]).stderr).toContain('name the nodes, such as 2,0,1, or give --cancel')
    const unknown = run(['topics', 'reassign', 'orders', '0', '7'])
    expect([unknown.status, unknown.stderr]).toEqual([1, expect.stringContaining('INVALID_REPLICA_ASSIGNMENT')])
  })

  test('moves as fast as a command says, also where another limit is kept, which holds again afterwards', async () => {
    ok('topics', 'create', 'lone', '--replication-factor', '1')
    run(['produce', 'lone'], `${'x'.repeat(100)}\n`.repeat(10_000))
    {
      await using cluster = await open(directory)
      await cluster.admin.throttleReassignments(1000)
    }
    const { partitions } = json('topics', 'describe', 'lone') as { partitions: { leader: number }[] }
    const other = `${(partitions[0]!.leader + 1) % 3}`
    // At the other pace it would take a quarter of an hour.
    json('topics', 'reassign', 'lone', '0', other, '--throttle', '100000000')
    // Nobody goes: it has ended when who comes has everything.
    const both = [other, `${(Number(other) + 1) % 3}`]
    const grown = json('topics', 'reassign', 'lone', '0', both.join(), '--throttle', '1000000') as { partitions: { isr: number[] }[] }
    expect(grown.partitions[0]!.isr).toHaveLength(2)
    json('nodes', 'drain', other, '--throttle', '100000000')
    expect(json('cluster')).toMatchObject({ reassignmentBytesPerSecond: 1000 })
  })

  test('gets a node, which takes its share; one is drained and goes, and cannot go before', () => {
    expect((json('nodes', 'grow', '4') as { nodes: unknown[] }).nodes).toHaveLength(4)
    json('nodes', 'rebalance', '--by', 'bytes', '--throttle', '10000000')
    json('nodes', 'rebalance', '--throttle', '10000000')
    const drained = json('nodes', 'drain', '3') as { nodes: { replicas: number }[] }
    expect(drained.nodes[3]).toMatchObject({ node: 3, replicas: 0, isVoter: false })
    const votes = run(['nodes', 'remove', '2'])
    expect([votes.status, votes.stderr]).toEqual([1, expect.stringMatching(/INVALID_REQUEST.*node 2 votes/)])
    expect((json('nodes', 'remove', '3') as { nodes: { node: number }[] }).nodes.map(({ node }) => node)).toEqual([0, 1, 2])
    expect(run(['nodes', 'grow', '2']).stderr).toContain('would leave replicas behind')
  })

  test('changes who votes', () => {
    expect(json('voters', 'remove', '2')).toMatchObject({ voters: [0, 1] })
    expect(json('voters', 'add', '2')).toMatchObject({ voters: [0, 1, 2] })
    expect(run(['voters', 'add', '2']).stderr).toContain('DUPLICATE_VOTER')
  })

  test('promises what it can keep', () => {
    expect(run(['produce', 'orders', '--acks', 'leader'], 'a\n')).toMatchObject({ status: 0, stderr: '1 record acknowledged\n' })
    expect(run(['produce', 'orders', '--acks', '3'], 'a\n')).toMatchObject({ status: 1 })
    const refused = run(['topics', 'create', 'more', '--replication-factor', '4'])
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining('INVALID_REPLICATION_FACTOR')])
  })

  test('does not lose nodes', () => {
    expect(run(['topics', 'create', 'more', '--nodes', '2']).stderr).toContain('INVALID_OPTION')
    ok('topics', 'create', 'more', '--nodes', '4')
    expect((json('cluster') as { nodes: unknown[] }).nodes).toHaveLength(4)
  })
})

describe('records', () => {
  beforeEach(() => void ok('topics', 'create', 'orders'))

  test('go in as lines and come out as the same lines', () => {
    const lines = 'alice\tbook\nbob\tpen\nno key\n'
    expect(run(['produce', 'orders'], lines)).toMatchObject({ status: 0, stderr: '3 records acknowledged\n' })
    expect(ok('consume', 'orders')).toBe(lines)
    expect(ok('consume', 'orders', '--from', '1', '--max', '1')).toBe('bob\tpen\n')
  })

  test('may be empty: an empty line is one, but for JSON', () => {
    expect(run(['produce', 'orders'], 'a\n\n\tb\n\n').stderr).toBe('4 records acknowledged\n')
    expect(ok('consume', 'orders')).toBe('a\n\n\tb\n\n')
    expect(run(['produce', 'orders', '--json'], '{"value":"c"}\n\n').stdout).toBe('{"topic":"orders","acknowledged":1}\n')
  })

  test('go in as JSON and come out as JSON that goes in again', () => {
    const record = { key: 'alice', value: 'book', headers: { from: 'web' }, partition: 0, timestamp: 1_517_966_773_840 }
    expect(run(['produce', 'orders', '--json'], JSON.stringify(record)).stdout).toBe('{"topic":"orders","acknowledged":1}\n')
    const out = ok('consume', 'orders', '--json', '--from', '2018-01-01')
    expect(JSON.parse(out)).toEqual({ ...record, topic: 'orders', offset: 0 })
    ok('topics', 'create', 'copy')
    expect(run(['produce', 'copy', '--json'], out).status).toBe(0)
    expect(ok('consume', 'copy')).toBe('alice\tbook\n')
  })

  test('before a bad line are written and counted, and the line is named', () => {
    const result = run(['produce', 'orders', '--json'], '{"value":"good"}\n{"value":')
    expect([result.status, result.stdout]).toEqual([1, '{"topic":"orders","acknowledged":1}\n'])
    expect(result.stderr).toContain('line 2 is not JSON')
    expect(ok('consume', 'orders')).toBe('good\n')
  })

  test('before one that is too large are counted, and it ends the input', () => {
    ok('topics', 'alter', 'orders', '--config', 'maxMessageBytes=1000')
    const lines = `a\nb\n${'x'.repeat(2000)}\n${'c\n'.repeat(200_000)}`
    const { status, stderr } = run(['produce', 'orders'], lines)
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^\d+ records acknowledged\nMESSAGE_TOO_LARGE: /)])
    const written = ok('consume', 'orders').split('\n').length - 1
    expect(`${written}`).toBe(/^\d+/.exec(stderr)?.[0])
    expect(written).toBeLessThan(200_000)
  })

  test('are read once by a group, which goes on where it stopped', () => {
    run(['produce', 'orders'], 'a\nb\nc\n')
    expect(ok('consume', 'orders', '--group', 'billing', '--max', '2')).toBe('a\nb\n')
    expect(ok('consume', 'orders', '--group', 'billing')).toBe('c\n')
    expect(json('groups', 'list')).toEqual([{ group: 'billing', state: 'empty' }])
    expect(json('groups', 'describe', 'billing')).toMatchObject({ lags: [{ topic: 'orders', committed: 3, endOffset: 3, lag: 0 }] })
    expect(json('groups', 'reset', 'billing', '--topic', 'orders', '--to', '1999-01-01')).toMatchObject({ lags: [{ committed: 0 }] })
    expect(ok('consume', 'orders', '--group', 'billing')).toBe('a\nb\nc\n')
  })

  test('are read by a group from an offset on that the topic has, or it is said where', () => {
    run(['produce', 'orders'], 'a\nb\nc\n')
    const reset = ['groups', 'reset', 'billing', '--topic', 'orders', '--to']
    expect(run([...reset, '1'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('there is no group "billing"; --create') as string,
    })
    expect(json('groups', 'list')).toEqual([])
    expect(json(...reset, '1', '--create')).toMatchObject({ lags: [{ committed: 1 }], clamped: [] })
    const clamped = [{ topic: 'orders', partition: 0, wanted: 99, offset: 3 }]
    expect(json(...reset, '99')).toMatchObject({ lags: [{ committed: 3 }], clamped })
    expect(run([...reset, '99']).stderr).toBe('orders-0 does not have the offset 99: the group goes on at 3.\n')
    expect(ok(...reset, 'earliest')).toContain('orders          0          0    3    3  -')
  })

  test('that come after a group has begun at the end are read by it', () => {
    run(['produce', 'orders'], 'a\n')
    expect(ok('consume', 'orders', '--group', 'billing', '--from', 'latest')).toBe('')
    run(['produce', 'orders'], 'b\nc\n')
    expect(ok('consume', 'orders', '--group', 'billing', '--from', 'latest', '--max', '1')).toBe('b\n')
    expect(ok('consume', 'orders', '--group', 'billing', '--from', 'latest')).toBe('c\n')
  })

  test('are read by a group that speaks the classic protocol, and by the same one when it speaks the other', () => {
    run(['produce', 'orders'], 'a\nb\n')
    expect(ok('consume', 'orders', '--group', 'ledger', '--group-protocol', 'classic', '--max', '1')).toBe('a\n')
    expect(ok('consume', 'orders', '--group', 'ledger')).toBe('b\n')
    expect(ok('groups', 'describe', 'ledger')).toMatch(/^ledger: empty, 0 members, assignor uniform\n/)
    expect(run(['consume', 'orders', '--group-protocol', 'classic']).stderr).toContain('--group-protocol needs --group')
  })

  test('in transactions: without any, there is nothing to list or describe', () => {
    expect(ok('transactions', 'list')).toBe('')
    expect(json('transactions', 'list')).toEqual([])
    const stderr = expect.stringContaining('TRANSACTIONAL_ID_NOT_FOUND') as string
    expect(run(['transactions', 'describe', 'none'])).toMatchObject({ status: 1, stderr })
  })

  test('are read again by a group that was deleted', () => {
    run(['produce', 'orders'], 'a\n')
    ok('consume', 'orders', '--group', 'billing')
    expect(ok('groups', 'list')).toBe('group    state\nbilling  empty\n')
    expect(ok('groups', 'describe', 'billing')).toMatch(/^billing: empty, 0 members, assignor uniform\n/)
    expect(ok('groups', 'describe', 'billing')).toMatch(/topic +partition +committed +end +lag +member\norders +0 +1 +1 +0 +-\n$/)
    expect(json('groups', 'delete', 'billing', '--topic', 'orders')).toEqual({ deleted: 'billing', topic: 'orders' })
    expect(run(['groups', 'delete', 'billing'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('GROUP_ID_NOT_FOUND') as string,
    })
    ok('consume', 'orders', '--group', 'billing')
    expect(ok('groups', 'delete', 'billing')).toBe('deleted billing\n')
    expect(ok('consume', 'orders', '--group', 'billing')).toBe('a\n')
  })

  test('are followed until Ctrl-C', async () => {
    run(['produce', 'orders'], 'a\n')
    const child = spawn(process.execPath, [main, '-d', directory, 'consume', 'orders', '--follow'])
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
    expect(chunk.toString()).toBe('a\n')
    child.kill('SIGINT')
    expect((await once(child, 'exit'))[0]).toBe(0)
  })

  test('end quietly when their reader goes away', () => {
    run(['produce', 'orders'], 'a line\n'.repeat(50_000))
    const shell = spawnSync('sh', ['-c', `"${process.execPath}" "${main}" -d "${directory}" consume orders | head -1`], {
      encoding: 'utf8',
    })
    expect([shell.stdout, shell.stderr]).toEqual(['a line\n', ''])
  })
})

describe('what goes wrong', () => {
  test('in Kafka is named, with what to do next, and is exit code 1', () => {
    ok('topics', 'create', 'orders')
    const result = run(['consume', 'order'])
    expect(result.status).toBe(1)
    expect(result.stderr).toContain('UNKNOWN_TOPIC_OR_PARTITION')
    expect(result.stderr).toContain('odradek topics list')
    expect(JSON.parse(run(['consume', 'order', '--json']).stderr)).toMatchObject({ error: { name: 'UNKNOWN_TOPIC_OR_PARTITION', code: 3 } })
  })

  test.each([
    [['nonsense'], 'unknown command'],
    [['consume'], "missing required argument 'topic'"],
    [['consume', 'orders', '--from', 'here'], 'must be earliest, latest'],
    [['topics', 'create', 'orders', '--partitions', '0'], 'whole number from 1'],
    [['topics', 'create', 'orders', '--partitions', 'abc'], 'whole number from 1 to 20000'],
    [['-d', '', 'topics', 'list'], '--directory'],
    [['topics', 'list', '--directory', ''], 'must name a directory'],
    [['produce', 'orders', '--acks', 'all'], 'must be quorum, leader, none, or how many replicas'],
    [['produce', 'orders', '--acks', '0'], 'must be quorum, leader, none, or how many replicas'],
    [['produce', 'orders', '--nodes', '3'], "unknown option '--nodes'"],
    [['topics', 'create', 'orders', '--nodes', '65'], 'whole number from 1 to 64'],
    [['topics', 'create', 'orders', '--replication-factor', '0'], 'whole number from 1 to 64'],
    [['topics', 'reassign', 'orders', '0', '1,', '--cancel'], 'separated by commas'],
  ])('on the command line is exit code 2: %j', (parameters, message) => {
    const result = run(parameters)
    expect(result.status).toBe(2)
    expect(result.stderr).toContain(message)
    expect(existsSync(directory)).toBe(false)
  })

  test('with reading makes no directory', () => {
    for (const command of [
      ['topics', 'list'],
      ['consume', 'orders'],
      ['groups', 'list'],
    ]) {
      const { status, stderr } = run(command)
      expect(status).toBe(1)
      expect(stderr).toBe(
        `FOREIGN_DIRECTORY: There is no data directory ${directory} yet: \`odradek topics create NAME\` makes one, --directory DIR names another.\n`,
      )
    }
    expect(existsSync(directory)).toBe(false)
  })

  test('with a group that nobody has heard of is said, and it stays so', () => {
    ok('topics', 'create', 'orders')
    expect(run(['groups', 'describe', 'nobody'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('GROUP_ID_NOT_FOUND: there is no group "nobody"') as string,
    })
    expect(json('groups', 'list')).toEqual([])
  })
})

test('help shows examples, and needs no directory', () => {
  expect(ok('--help')).toContain('odradek consume orders --group billing')
  for (const command of ['topics', 'produce', 'consume', 'groups', 'cluster']) expect(ok(command, '--help')).toContain('Usage:')
  expect(existsSync(directory)).toBe(false)
})

function run(parameters: readonly string[], input = ''): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [main, '--directory', directory, ...parameters], { encoding: 'utf8', input })
}

function ok(...parameters: string[]): string {
  const { status, stdout, stderr } = run(parameters)
  expect([status, stderr], parameters.join(' ')).toEqual([0, ''])
  return stdout
}

function json(...parameters: string[]): unknown {
  return JSON.parse(ok(...parameters, '--json'))
}
