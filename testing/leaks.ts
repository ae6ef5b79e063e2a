/**
 * Notices code under a simulation that waits for the real world: a file, a socket, a process, another thread. What comes of it comes at a time that no seed decides.
 */
import { createHook } from 'node:async_hooks'

/** What waits for the world, by the names that Node gives to its asynchronous resources. */
const OUTSIDE: Readonly<Record<string, string>> = {
  ...{
    FSREQCALLBACK: 'a file',
    FSREQPROMISE: 'a file',
    FILEHANDLE: 'a file',
    FILEHANDLECLOSEREQ: 'a file',
    FSEVENTWRAP: 'a file',
    STATWATCHER: 'a file',
  },
  ...{
    TCPWRAP: 'a socket',
    TCPSERVERWRAP: 'a socket',
    TCPCONNECTWRAP: 'a socket',
    TLSWRAP: 'a socket',
    UDPWRAP: 'a socket',
    UDPSENDWRAP: 'a socket',
  },
  ...{ PIPECONNECTWRAP: 'a socket', PIPESERVERWRAP: 'a socket', HTTPCLIENTREQUEST: 'a server', HTTPINCOMINGMESSAGE: 'a client' },
  ...{ GETADDRINFOREQWRAP: 'a name server', GETNAMEINFOREQWRAP: 'a name server', DNSCHANNEL: 'a name server', QUERYWRAP: 'a name server' },
  ...{ PROCESSWRAP: 'another process', WORKER: 'another thread', ZLIB: 'a thread of the pool' },
  ...{
    RANDOMBYTESREQUEST: 'chance',
    PBKDF2REQUEST: 'a thread of the pool',
    SCRYPTREQUEST: 'a thread of the pool',
    Timeout: 'a real timer',
  },
}

/** Something that left the simulation. */
export class Leak extends Error {
  override readonly name: string = 'Leak'
}

/** Watches for leaks. */
export interface LeakWatch {
  /** The first one; null while there is none. */
  found(): Leak | null
  stop(): void
}

/** Watches code for what it waits for outside; `isInside` says whether it is that code that runs now. */
export function watchLeaks(isInside: () => boolean): LeakWatch {
  let leak: Leak | null = null
  const hook = createHook({
    init(_id, type) {
      const what = OUTSIDE[type]
      if (what === undefined || leak !== null || !isInside()) return
      const { stackTraceLimit } = Error
      Error.stackTraceLimit = 50
      const { stack = '' } = new Error()
      Error.stackTraceLimit = stackTraceLimit
      const culprit = stack.split('\n').find((line) => line.includes('at ') && !/node:|[/\\]testing[/\\](leaks|ambient)\./.test(line))
      leak = new Leak(
        `the code under simulation waits for ${what} (${type})${culprit === undefined ? '' : `, ${culprit.trim()}`}: give it something that the seed decides`,
      )
    },
  })
  hook.enable()
  return { found: () => leak, stop: () => void hook.disable() }
}
