/** Several who lie in wait in one run: each sees everything, in the order in which they came. */
import type { Lookout, World } from './world.ts'

/** One more lies in wait. */
export function addLookout(world: World, one: Lookout): void {
  const { lookout: first } = world
  world.lookout =
    first === null
      ? one
      : {
          sent: (to, message, frame) => {
            first.sent(to, message, frame)
            one.sent(to, message, frame)
          },
          saw: (seen) => {
            first.saw(seen)
            one.saw(seen)
          },
        }
}
