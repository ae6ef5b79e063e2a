// What a consumer's client makes of what its actor says late.
import { expect, test } from 'vitest'
import { Consumption } from '../../../edge/client/consumption.ts'
import { codeOf } from '../../../protocol/errors.ts'
import type { Message } from '../../../protocol/messages/message.ts'

test('what was wrong with a partition before the application sought elsewhere is not thrown', () => {
  let hear: (message: Message) => void = () => undefined
  const host = {
    node: 0,
    spawn: () => undefined,
    openPort: (actor: string, onMessage: typeof hear) => ((hear = onMessage), { node: 0, actor }),
  }
  const engine = { host, coordinatorNodes: () => [] }
  const consumption = new Consumption(engine as never, 'consumer-1', {} as never, { actorUrl: {}, config: {} } as never)
  const [place, errorCode] = [{ topic: 't', partition: 0 }, codeOf('OFFSET_OUT_OF_RANGE')]
  consumption.replace([place])
  const one = consumption.assigned(place)
  const before = one.session
  consumption.moveTo(one, 7, before + 1)
  hear({ kind: 'consumerFailed', ...place, session: before, errorCode, errorMessage: 'before' })
  expect(() => consumption.throwFailure()).not.toThrow()
  hear({ kind: 'consumerFailed', ...place, session: before + 1, errorCode, errorMessage: 'there is no 7' })
  expect(() => consumption.throwFailure()).toThrow('there is no 7')
})
