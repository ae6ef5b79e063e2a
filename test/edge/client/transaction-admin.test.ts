// Transactional ids as an administrator sees them, kept by transactors on real threads.

import { expect, test } from 'vitest'
import { openCluster } from './support.ts'

test('none are there before somebody has used one', async () => {
  const { admin } = await openCluster()
  expect(await admin.listTransactions()).toEqual([])
})
