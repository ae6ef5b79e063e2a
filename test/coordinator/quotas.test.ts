// Quotas: which changes are accepted, which are refused with which error, and which quotas bind whom.

import { describe, expect, test } from 'vitest'
import { applyRecord } from '../../coordinator/metadata.ts'
import type { MetadataImage } from '../../coordinator/metadata.ts'
import { ruleAlterClientQuotas, sharesOf, sortedQuotas } from '../../coordinator/quotas.ts'
import type { ClientQuotaEntity, ClientQuotaOp } from '../../protocol/messages/quota.ts'
import { imageOf } from './support.ts'

function rule(image: MetadataImage, entity: ClientQuotaEntity, ops: readonly ClientQuotaOp[], validateOnly = false): string | null {
  const request = { kind: 'alterClientQuotas', correlationId: 1, entries: [{ entity, ops }], validateOnly } as const
  const { records, verdicts } = ruleAlterClientQuotas(image, request)
  for (const record of records) applyRecord(image, record)
  const [verdict] = verdicts
  return verdict?.error === null ? null : `${verdict?.error}: ${verdict?.reason}`
}

/** An image with these rates of producers. */
function imageWith(...quotas: readonly (readonly [ClientQuotaEntity, number])[]): MetadataImage {
  return imageOf(...quotas.map(([entity, value]) => ({ type: 'clientQuota', entity, key: 'producerByteRate', value }) as const))
}

function boundBy(image: MetadataImage, clientId: string | null, user: string | null = null): [string, number][] {
  const shares = sharesOf(image.quotas, { key: 'producerByteRate', clientId, user, group: null })
  return shares.map(({ bucket, perSecond }) => [bucket, perSecond])
}

describe('a change', () => {
  test('sets what it names, leaves what it does not, and removes with null', () => {
    const image = imageOf()
    const set = [
      { key: 'producerByteRate', value: 10 },
      { key: 'consumerByteRate', value: 20 },
    ]
    expect(rule(image, { clientId: 'a' }, set)).toBeNull()
    expect(rule(image, { clientId: 'a' }, [{ key: 'producerByteRate', value: null }])).toBeNull()
    expect(rule(image, { clientId: 'b' }, [{ key: 'producerByteRate', value: null }])).toBeNull()
    expect(sortedQuotas(image.quotas)).toEqual([{ entity: { clientId: 'a' }, quotas: { consumerByteRate: 20 } }])
    expect(rule(image, { clientId: 'a' }, [{ key: 'consumerByteRate', value: null }], true)).toBeNull()
    expect(image.quotas.size).toBe(1)
    const { endOffset } = image
    expect(rule(image, { clientId: 'a' }, [{ key: 'consumerByteRate', value: 20 }])).toBeNull()
    expect(image.endOffset).toBe(endOffset)
    rule(image, { clientId: 'a' }, [{ key: 'consumerByteRate', value: null }])
    expect(image.quotas.size).toBe(0)
  })

  test.each<[string, object, readonly ClientQuotaOp[]]>([
    ['an entity has', {}, [{ key: 'producerByteRate', value: 1 }]],
    ['an entity has', { ip: '127.0.0.1' }, [{ key: 'producerByteRate', value: 1 }]],
    ['clientId is null', { clientId: '' }, [{ key: 'producerByteRate', value: 1 }]],
    ['user is null', { user: 'u'.repeat(256) }, [{ key: 'producerByteRate', value: 1 }]],
    ['user is null', { user: 7 }, [{ key: 'producerByteRate', value: 1 }]],
    ['a group is an entity of its own', { group: 'g', clientId: 'a' }, [{ key: 'consumerByteRate', value: 1 }]],
    ['a group consumes', { group: 'g' }, [{ key: 'producerByteRate', value: 1 }]],
    ['requestPercentage is null', { clientId: 'a' }, [{ key: 'requestPercentage', value: 0 }]],
    ['requestPercentage is null', { clientId: 'a' }, [{ key: 'requestPercentage', value: 0.001 }]],
    ['requestPercentage is null', { clientId: 'a' }, [{ key: 'requestPercentage', value: -1 }]],
    ['requestPercentage is null', { clientId: 'a' }, [{ key: 'requestPercentage', value: 100_001 }]],
    ['requestPercentage is null', { clientId: 'a' }, [{ key: 'requestPercentage', value: Number.NaN }]],
    ['"speed" is no quota', { clientId: 'a' }, [{ key: 'speed', value: 1 }]],
    ['producerByteRate is null', { clientId: 'a' }, [{ key: 'producerByteRate', value: 0 }]],
    ['producerByteRate is null', { clientId: 'a' }, [{ key: 'producerByteRate', value: -1 }]],
    ['producerByteRate is null', { clientId: 'a' }, [{ key: 'producerByteRate', value: Number.NaN }]],
    ['producerByteRate is null', { clientId: 'a' }, [{ key: 'producerByteRate', value: Infinity }]],
    ['producerByteRate is null', { clientId: 'a' }, [{ key: 'producerByteRate', value: 0.5 }]],
    ['there is nothing to change', { clientId: 'a' }, []],
    [
      'producerByteRate stands twice',
      { clientId: 'a' },
      [
        { key: 'producerByteRate', value: 1 },
        { key: 'producerByteRate', value: 2 },
      ],
    ],
    [
      'consumerByteRate is null',
      { clientId: 'a' },
      [
        { key: 'producerByteRate', value: 1 },
        { key: 'consumerByteRate', value: -2 },
      ],
    ],
  ])('is refused whole: %s (%j %j)', (reason, entity, ops) => {
    const image = imageOf()
    expect(rule(image, entity as ClientQuotaEntity, ops)).toContain(`INVALID_REQUEST: ${reason}`)
    expect(image.quotas.size).toBe(0)
  })

  test('is refused for an entity that stands twice, and says nothing of the others', () => {
    const image = imageOf()
    const ops = [{ key: 'producerByteRate', value: 1 }]
    const entries = [
      { entity: { clientId: 'a' }, ops },
      { entity: { clientId: 'a' }, ops: [{ key: 'producerByteRate', value: 2 }] },
      { entity: { clientId: 'b' }, ops },
    ]
    const ruling = ruleAlterClientQuotas(image, { kind: 'alterClientQuotas', correlationId: 1, entries, validateOnly: false })
    expect(ruling.verdicts.map(({ error }) => error)).toEqual([null, 'INVALID_REQUEST', null])
    expect(ruling.records).toHaveLength(2)
  })

  test('is refused when there are too many entities, but for those that have quotas', () => {
    const image = imageWith(...Array.from({ length: 1000 }, (_, i) => [{ clientId: `c${i}` }, 1] as const))
    expect(rule(image, { clientId: 'new' }, [{ key: 'producerByteRate', value: 1 }])).toContain('POLICY_VIOLATION')
    expect(rule(image, { clientId: 'c7' }, [{ key: 'consumerByteRate', value: 1 }])).toBeNull()
  })
})

describe('a client', () => {
  const ranks = [
    { user: 'u', clientId: 'c' },
    { user: 'u', clientId: null },
    { user: 'u' },
    { user: null, clientId: 'c' },
    { user: null, clientId: null },
    { user: null },
    { clientId: 'c' },
    { clientId: null },
  ]

  test.each(ranks.map((_, rank) => rank))('is bound by the first quota that there is: rank %i', (rank) => {
    const image = imageWith(...ranks.slice(rank).map((entity, i) => [entity, rank + i + 1] as const))
    expect(boundBy(image, 'c', 'u').map(([, rate]) => rate)).toEqual([rank + 1])
  })

  test('shares its bucket with those that the entity names, and under a default with nobody else', () => {
    expect(boundBy(imageWith([{ clientId: null }, 5]), 'a')).not.toEqual(boundBy(imageWith([{ clientId: null }, 5]), 'b'))
    const byUser = imageWith([{ user: null }, 5])
    expect(boundBy(byUser, 'a', 'u')).toEqual(boundBy(byUser, 'b', 'u'))
    expect(boundBy(byUser, 'a', 'u')).not.toEqual(boundBy(byUser, 'a', 'v'))
    const byBoth = imageWith([{ user: 'u', clientId: null }, 5])
    expect(boundBy(byBoth, 'a', 'u')).not.toEqual(boundBy(byBoth, 'b', 'u'))
  })

  test('without a name is bound by defaults only', () => {
    expect(boundBy(imageWith([{ clientId: 'c' }, 5]), null)).toEqual([])
    expect(boundBy(imageWith([{ clientId: null }, 5]), null).map(([, rate]) => rate)).toEqual([5])
    expect(boundBy(imageWith([{ user: 'ANONYMOUS' }, 5]), null).map(([, rate]) => rate)).toEqual([5])
  })

  test('is bound in the time of its requests by another rule than in its bytes, whether it sends or reads', () => {
    const image = imageWith([{ clientId: 'c' }, 5])
    expect(rule(image, { clientId: null }, [{ key: 'requestPercentage', value: 2.5 }])).toBeNull()
    expect(rule(image, { group: 'g' }, [{ key: 'requestPercentage', value: 200 }])).toBeNull()
    const bound = (key: 'producerByteRate' | 'consumerByteRate', group: string | null): unknown[] =>
      sharesOf(image.quotas, { key, clientId: 'c', user: null, group }).map(({ isTime, perSecond }) => [isTime, perSecond])
    expect(bound('producerByteRate', null)).toEqual([
      [false, 5],
      [true, 25_000],
    ])
    expect(bound('consumerByteRate', 'g')).toEqual([
      [true, 25_000],
      [true, 2_000_000],
    ])
    const buckets = (key: 'producerByteRate' | 'consumerByteRate'): string | undefined =>
      sharesOf(image.quotas, { key, clientId: 'c', user: null, group: null }).find(({ isTime }) => isTime)?.bucket
    expect(buckets('producerByteRate')).toBe(buckets('consumerByteRate'))
  })

  test('of a group is bound by that of its group, too', () => {
    const image = imageOf(
      { type: 'clientQuota', entity: { clientId: 'c' }, key: 'consumerByteRate', value: 1 },
      { type: 'clientQuota', entity: { group: null }, key: 'consumerByteRate', value: 2 },
      { type: 'clientQuota', entity: { group: 'g' }, key: 'consumerByteRate', value: 3 },
    )
    const rates = (clientId: string | null, group: string | null): number[] =>
      sharesOf(image.quotas, { key: 'consumerByteRate', clientId, user: null, group }).map(({ perSecond }) => perSecond)
    expect([rates('c', 'g'), rates('c', 'h'), rates('x', 'g'), rates('c', null)]).toEqual([[1, 3], [1, 2], [3], [1]])
  })
})
