/**
 * A Node.js port or worker as Comlink wants it: with the event methods of a browser.
 */
import type { MessagePort, Worker } from 'node:worker_threads'
import type { Endpoint } from 'comlink'

type Listener = ((event: MessageEvent) => void) | { handleEvent(event: MessageEvent): void }

/** Wraps one end of a message channel; `afterPost` runs after each message that is sent. */
export function endpointOf(port: MessagePort | Worker, afterPost: () => void = () => undefined): Endpoint {
  const listeners = new WeakMap<object, (data: unknown) => void>()
  return {
    postMessage(message: unknown): void {
      port.postMessage(message)
      afterPost()
    },
    addEventListener(_type: string, listener: Listener): void {
      const onMessage = (data: unknown): void => {
        // Nothing else of an event is looked at. The class itself would bring Node's fetch and HTTP, 10 MB, onto every thread.
        const event = { data } as MessageEvent
        if (typeof listener === 'function') listener(event)
        else listener.handleEvent(event)
      }
      port.on('message', onMessage)
      listeners.set(listener, onMessage)
    },
    removeEventListener(_type: string, listener: Listener): void {
      const onMessage = listeners.get(listener)
      if (onMessage !== undefined) port.off('message', onMessage)
    },
  }
}
