// The classic protocol: members join, one of them shares out, all learn of it; who is late, gone or of another generation changes nothing.

import { describe, expect, test } from 'vitest'
import type { ClassicState } from '../../../../coordinator/groups/classic/classic-group.ts'
import { chooseProtocol, topicsOfClassic } from '../../../../coordinator/groups/classic/classic-group.ts'
import { encodeAssignment, encodeSubscription } from '../../../../coordinator/groups/classic/consumer-protocol.ts'
import { classicDue, INITIAL_REBALANCE_DELAY_MILLIS } from '../../../../coordinator/groups/classic/rebalance.ts'
import { refuseClassicCommit } from '../../../../coordinator/groups/classic/requests.ts'
import { beat, join, leave, newScene, REBALANCE_MILLIS, SESSION_MILLIS, stable, sync, wait } from './classic-support.ts'
import type { Scene } from './classic-support.ts'

const range = (metadata: string): { readonly name: string; readonly metadata: string } => ({ name: 'range', metadata })

describe('a new group', () => {
  test('waits a moment for more members, then begins; the first leads, and is told of all', () => {
    const scene = newScene()
    expect(join(scene, 'a')).toEqual([])
    expect(wait(scene, INITIAL_REBALANCE_DELAY_MILLIS - 1)).toEqual([])
    expect(join(scene, 'b')).toEqual([])
    expect(wait(scene, INITIAL_REBALANCE_DELAY_MILLIS - 1)).toEqual([])
    expect(wait(scene, 1)).toEqual(['a: generation 1 of range, led by a of a(a) b(b)', 'b: generation 1 of range, led by a'])
    expect(sync(scene, 'b')).toEqual([])
    expect(sync(scene, 'a', { a: 'half', b: 'rest' })).toEqual(['a: has half', 'b: has rest'])
    expect(scene.group.state).toBe('stable')
  })

  test('does not wait for longer than its members may take', () => {
    const scene = newScene()
    for (let n = 0; n < 5; n++) {
      join(scene, `m${n}`, { rebalanceTimeoutMillis: 100 })
      expect(scene.group.generationId).toBe(0)
      wait(scene, 20)
    }
    expect(scene.group.generationId).toBe(1)
  })

  test('gives a member its id before it counts (KIP-394), and does not begin while it waits for it', () => {
    const scene = newScene()
    expect(join(scene, 'a', { requiresKnownMemberId: true })).toEqual(['a: MEMBER_ID_REQUIRED'])
    expect(scene.group.members.size).toBe(0)
    expect(join(scene, 'a')).toEqual([])
    expect(join(scene, 'b', { requiresKnownMemberId: true })).toEqual(['b: MEMBER_ID_REQUIRED'])
    wait(scene, INITIAL_REBALANCE_DELAY_MILLIS)
    expect(scene.group.generationId).toBe(1)
    expect(join(scene, 'stranger', { memberId: 'stranger' })).toEqual(['stranger: UNKNOWN_MEMBER_ID'])
    wait(scene, SESSION_MILLIS)
    expect(join(scene, 'b', { memberId: 'b' })).toEqual(['b: UNKNOWN_MEMBER_ID'])
  })

  test('begins no generation before members of the coordinator before it are gone', () => {
    const scene = newScene(3000)
    join(scene, 'a')
    expect(wait(scene, 2999)).toEqual([])
    expect(classicDue(scene.group, scene.uptime)).toBe(3000)
    expect(wait(scene, 1)).toEqual(['a: generation 1 of range, led by a of a(a)'])
  })
})

describe('a rebalance', () => {
  test('ends when all have joined again', () => {
    const scene = stable('a', 'b')
    expect(join(scene, 'c')).toEqual(['a: join again', 'b: join again'])
    expect([beat(scene, 'a'), beat(scene, 'b')]).toEqual(['REBALANCE_IN_PROGRESS', 'REBALANCE_IN_PROGRESS'])
    expect(sync(scene, 'a')).toEqual(['a: REBALANCE_IN_PROGRESS'])
    expect(join(scene, 'b')).toEqual([])
    expect(join(scene, 'a')).toEqual([
      'a: generation 2 of range, led by a of a(a) b(b) c(c)',
      'b: generation 2 of range, led by a',
      'c: generation 2 of range, led by a',
    ])
  })

  test('goes on without who does not join again in time; that one is none any more, and another one leads', () => {
    const scene = stable('a', 'b')
    join(scene, 'c')
    join(scene, 'b')
    for (let waited = 0; waited < REBALANCE_MILLIS - 500; waited += 500) {
      expect(wait(scene, 500)).toEqual([])
      expect(beat(scene, 'a')).toBe('REBALANCE_IN_PROGRESS')
    }
    expect(wait(scene, 500)).toEqual(['b: generation 2 of range, led by b of b(b) c(c)', 'c: generation 2 of range, led by b'])
    expect(beat(scene, 'a', 1)).toBe('UNKNOWN_MEMBER_ID')
  })

  test('does not wait for a member whose session is over', () => {
    const scene = stable('a', 'b')
    join(scene, 'c')
    join(scene, 'a')
    expect(wait(scene, SESSION_MILLIS)).toEqual(['a: generation 2 of range, led by a of a(a) c(c)', 'c: generation 2 of range, led by a'])
  })

  test('a member that waits for others need not say that it lives; one that leaves is not waited for', () => {
    const scene = stable('a', 'b')
    join(scene, 'c')
    join(scene, 'a')
    for (let n = 0; n < 4; n++) {
      wait(scene, 900)
      beat(scene, 'b')
    }
    expect(leave(scene, 'b')).toEqual(['left', 'a: generation 2 of range, led by a of a(a) c(c)', 'c: generation 2 of range, led by a'])
  })

  test('that ends with nobody leaves the group empty', () => {
    const scene = stable('a')
    expect(wait(scene, SESSION_MILLIS)).toEqual([])
    expect([scene.group.state, scene.group.members.size, scene.group.generationId]).toEqual(['empty', 0, 2])
  })

  test('begins when the leader joins again, or somebody else says something new; otherwise the answer is repeated', () => {
    const scene = stable('a', 'b')
    expect(join(scene, 'b')).toEqual(['b: generation 1 of range, led by a'])
    expect(join(scene, 'b', { protocols: [range('more')] })).toEqual(['a: join again'])
    expect(join(scene, 'a')).toEqual(['a: generation 2 of range, led by a of a(a) b(more)', 'b: generation 2 of range, led by a'])
    expect(join(scene, 'a')).toEqual(['a: generation 2 of range, led by a of a(a) b(more)'])
    sync(scene, 'a', { a: 'a', b: 'b' })
    expect(join(scene, 'a')).toEqual(['b: join again'])
  })

  test('a request that is made again replaces the one before, and the member hears that it is there', () => {
    const scene = stable('a', 'b')
    join(scene, 'c')
    join(scene, 'b')
    expect(join(scene, 'b')).toEqual(['b: REBALANCE_IN_PROGRESS'])
  })
})

describe('a sync', () => {
  test('waits for the leader; after it, the answer is given at once', () => {
    const scene = newScene()
    for (const client of ['a', 'b', 'c']) join(scene, client)
    wait(scene, INITIAL_REBALANCE_DELAY_MILLIS)
    expect(sync(scene, 'b')).toEqual([])
    expect(sync(scene, 'a', { a: '1', b: '2' })).toEqual(['a: has 1', 'b: has 2'])
    expect(sync(scene, 'c')).toEqual(['c: has '])
    expect(sync(scene, 'b')).toEqual(['b: has 2'])
  })

  test('of a generation that is over, of a stranger, or of another protocol is refused', () => {
    const scene = stable('a')
    expect(sync(scene, 'a', {}, { generationId: 0 })).toEqual(['a: ILLEGAL_GENERATION'])
    expect(sync(scene, 'x')).toEqual(['x: UNKNOWN_MEMBER_ID'])
    expect(sync(scene, 'a', {}, { protocolName: 'sticky' })).toEqual(['a: INCONSISTENT_GROUP_PROTOCOL'])
    expect(sync(scene, 'a', {}, { protocolType: 'connect' })).toEqual(['a: INCONSISTENT_GROUP_PROTOCOL'])
  })

  test('that does not come in time costs the membership, although the member says that it lives', () => {
    const scene = newScene()
    for (const client of ['a', 'b']) join(scene, client)
    wait(scene, INITIAL_REBALANCE_DELAY_MILLIS)
    sync(scene, 'b')
    for (let n = 0; n < 9; n++) {
      wait(scene, 500)
      expect(beat(scene, 'a')).toBe('fine')
    }
    expect(wait(scene, 500)).toEqual(['b: REBALANCE_IN_PROGRESS', 'b: join again'])
    expect(beat(scene, 'a')).toBe('UNKNOWN_MEMBER_ID')
  })

  test('that waits is refused when a rebalance begins', () => {
    const scene = newScene()
    for (const client of ['a', 'b']) join(scene, client)
    wait(scene, INITIAL_REBALANCE_DELAY_MILLIS)
    sync(scene, 'b')
    expect(join(scene, 'c')).toEqual(['a: join again', 'b: REBALANCE_IN_PROGRESS', 'b: join again'])
  })
})

describe('protocols', () => {
  const both = (first: string, second: string): { protocols: { name: string; metadata: string }[] } => ({
    protocols: [first, second].map((name) => ({ name, metadata: name })),
  })

  test('the one wins that most members like best, of those that all speak', () => {
    const scene = newScene()
    join(scene, 'a', both('sticky', 'range'))
    join(scene, 'b', both('range', 'sticky'))
    join(scene, 'c', both('range', 'sticky'))
    expect(chooseProtocol(scene.group)).toBe('range')
    expect(join(scene, 'd', both('sticky', 'roundrobin'))).toEqual([])
    expect(chooseProtocol(scene.group)).toBe('sticky')
    expect(join(scene, 'e', { protocols: [range('e')] })).toEqual(['e: INCONSISTENT_GROUP_PROTOCOL'])
    expect(join(scene, 'f', { ...both('sticky', 'range'), protocolType: 'connect' })).toEqual(['f: INCONSISTENT_GROUP_PROTOCOL'])
    expect(join(scene, 'g', { protocols: [] })).toEqual(['g: INCONSISTENT_GROUP_PROTOCOL'])
  })

  test('consumers say which topics they want; others say what nobody here understands', () => {
    const subscription = { userData: null, ownedPartitions: [], generationId: -1, rackId: null }
    const scene = newScene()
    join(scene, 'a', { protocols: [range(encodeSubscription({ topics: ['t'], ...subscription }))] })
    join(scene, 'b', { protocols: [range('nonsense')] })
    expect(topicsOfClassic(scene.group)).toEqual(new Set(['t']))
    const other = newScene()
    join(other, 'a', { protocolType: 'connect', protocols: [range(encodeSubscription({ topics: ['t'], ...subscription }))] })
    expect(topicsOfClassic(other.group)).toEqual(new Set())
  })
})

describe('a static member', () => {
  const asInstance = { instanceId: 'i' } as const

  /** A stable group whose static member `s` leads, or follows `a`. */
  function withStatic(leads: boolean): Scene {
    const scene = newScene()
    const join1 = (): unknown => join(scene, 's', asInstance)
    if (leads) join1()
    join(scene, 'a')
    if (!leads) join1()
    wait(scene, INITIAL_REBALANCE_DELAY_MILLIS)
    sync(scene, leads ? 's' : 'a', { a: 'A', s: 'S' })
    sync(scene, leads ? 'a' : 's')
    return scene
  }

  test('that comes back has what it had, in the same generation; its former life is fenced', () => {
    const scene = withStatic(false)
    expect(join(scene, 's2', asInstance)).toEqual(['s2: generation 1 of range, led by a'])
    expect(sync(scene, 's2')).toEqual(['s2: has S'])
    expect(beat(scene, 's', 1, 'i')).toBe('FENCED_INSTANCE_ID')
    expect(join(scene, 's', { memberId: 's', ...asInstance })).toEqual(['s: FENCED_INSTANCE_ID'])
    expect(sync(scene, 's', {}, asInstance)).toEqual(['s: FENCED_INSTANCE_ID'])
    expect(leave(scene, 's', 'i')).toEqual(['FENCED_INSTANCE_ID'])
    expect(beat(scene, 's2', 1, 'i')).toBe('fine')
  })

  test('that led leads again, and need not share out (KIP-814); if it cannot leave that alone, it is told that another one leads', () => {
    const scene = withStatic(true)
    expect(join(scene, 's2', asInstance)).toEqual(['s2: generation 1 of range, led by s2 of s2(s2) a(a), shared out already'])
    expect(scene.group.leader).toBe('s2')
    expect(join(scene, 's3', { ...asInstance, supportsSkippingAssignment: false })).toEqual(['s3: generation 1 of range, led by s2'])
    expect(scene.group.leader).toBe('s3')
  })

  test('begins a rebalance when it comes back and the group would speak another protocol', () => {
    const scene = newScene()
    const both = { protocols: [{ name: 'sticky', metadata: 'x' }, range('x')] }
    join(scene, 's', { ...asInstance, protocols: [range('s'), { name: 'sticky', metadata: 's' }] })
    wait(scene, INITIAL_REBALANCE_DELAY_MILLIS)
    expect(join(scene, 's2', { ...asInstance, ...both })).toEqual(['s2: generation 2 of sticky, led by s2 of s2(x)'])
  })

  test('that comes back while the group waits takes the place of its former life, which is told', () => {
    const scene = withStatic(false)
    join(scene, 'b')
    join(scene, 's', asInstance)
    expect(join(scene, 's2', asInstance)).toEqual(['s: FENCED_INSTANCE_ID'])
    expect(join(scene, 'a')).toContain('s2: generation 2 of range, led by a')
  })

  test('that is away is kept through a rebalance for as long as its session lasts', () => {
    const scene = withStatic(false)
    join(scene, 'b')
    join(scene, 'a')
    for (let n = 0; n < 5; n++) {
      wait(scene, 990)
      beat(scene, 's', 1, 'i')
    }
    expect(wait(scene, 50)).toContain('a: generation 2 of range, led by a of a(a) s(s) b(b)')
    expect(beat(scene, 's', 1, 'i')).toBe('ILLEGAL_GENERATION')
    wait(scene, SESSION_MILLIS)
    expect(scene.group.members.has('s')).toBe(false)
  })

  test('is taken out by its name alone (KIP-345)', () => {
    const scene = withStatic(false)
    expect(leave(scene, '', 'i')).toEqual(['left', 'a: join again'])
    expect(leave(scene, '', 'i')).toEqual(['UNKNOWN_MEMBER_ID'])
  })
})

describe('a commit', () => {
  const refusal = (scene: Scene, memberId: string, generationId: number, names: readonly string[] = [], isTransactional = false): string =>
    refuseClassicCommit(scene.group, { memberId, generationId }, names, isTransactional) ?? 'taken'

  test('is taken from members of the present generation only, also while others join again', () => {
    const scene = stable('a', 'b')
    expect([refusal(scene, 'a', 1), refusal(scene, 'a', 0), refusal(scene, 'x', 1)]).toEqual([
      'taken',
      'ILLEGAL_GENERATION',
      'UNKNOWN_MEMBER_ID',
    ])
    join(scene, 'b', { protocols: [range('new')] })
    expect(refusal(scene, 'a', 1)).toBe('taken')
    join(scene, 'a')
    expect([refusal(scene, 'a', 1), refusal(scene, 'a', 2)]).toEqual(['ILLEGAL_GENERATION', 'REBALANCE_IN_PROGRESS'])
    expect(refusal(scene, 'a', 2, [], true)).toBe('taken')
  })

  test('is not taken for what another member has', () => {
    const scene = newScene()
    for (const client of ['a', 'b']) join(scene, client)
    wait(scene, INITIAL_REBALANCE_DELAY_MILLIS)
    const assignment = (partition: number): string =>
      encodeAssignment({ partitions: [{ topic: 't', partitions: [partition] }], userData: null })
    sync(scene, 'a', { a: assignment(0), b: assignment(1) })
    expect([refusal(scene, 'a', 1, ['t-0', 't-7']), refusal(scene, 'a', 1, ['t-1'])]).toEqual(['taken', 'FENCED_MEMBER_EPOCH'])
  })
})

test('what a member asks is answered by the state of the group, whatever it is', () => {
  const asked = ['join', 'sync', 'heartbeat', 'leave'] as const
  const scenes: Readonly<Record<ClassicState, () => Scene>> = {
    empty: () => newScene(),
    'preparing-rebalance': () => {
      const scene = stable('a', 'b')
      join(scene, 'c')
      return scene
    },
    'completing-rebalance': () => {
      const scene = stable('a', 'b')
      join(scene, 'b', { protocols: [range('new')] })
      join(scene, 'a')
      return scene
    },
    stable: () => stable('a', 'b'),
  }
  const answers: Readonly<Record<ClassicState, Readonly<Record<(typeof asked)[number], string>>>> = {
    empty: { join: '', sync: 'a: UNKNOWN_MEMBER_ID', heartbeat: 'UNKNOWN_MEMBER_ID', leave: 'UNKNOWN_MEMBER_ID' },
    'preparing-rebalance': { join: '', sync: 'a: REBALANCE_IN_PROGRESS', heartbeat: 'REBALANCE_IN_PROGRESS', leave: 'left' },
    'completing-rebalance': {
      join: 'a: generation 2 of range, led by a of a(a) b(new)',
      sync: 'a: has ',
      heartbeat: 'fine',
      leave: 'left, b: join again',
    },
    stable: { join: 'b: join again', sync: 'a: has a', heartbeat: 'fine', leave: 'left, b: join again' },
  }
  for (const [state, sceneOf] of Object.entries(scenes)) {
    const happen = {
      join: (scene: Scene) => join(scene, 'a'),
      sync: (scene: Scene) => sync(scene, 'a'),
      heartbeat: (scene: Scene) => [beat(scene, 'a')],
      leave: (scene: Scene) => leave(scene, 'a'),
    }
    const seen = Object.fromEntries(asked.map((what) => [what, happen[what](sceneOf()).join(', ')]))
    expect(seen, state).toEqual(answers[state as ClassicState])
    expect(sceneOf().group.state).toBe(state)
  }
})
