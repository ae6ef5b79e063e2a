/**
 * Notices code under a simulation that waits for the real world: a file, a socket, a process, another thread. What comes of it comes at a time that no seed decides.
 */
import { createHook } from 'node:async_hooks'
import { findCulprit } from './culprit.ts'

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
    RANDOMPRIMEREQUEST: 'chance',
    Timeout: 'a real timer',
    Immediate: 'a turn of the real event loop',
  },
  ...{ MESSAGEPORT: 'another thread, or itself', BLOBREADER: 'a blob', DIRHANDLE: 'a file' },
  ...Object.fromEntries(
    [
      ...['ARGON2REQUEST', 'CHECKPRIMEREQUEST', 'CIPHERREQUEST', 'DERIVEBITSREQUEST', 'HASHREQUEST', 'HKDFREQUEST', 'KEYEXPORTREQUEST'],
      ...['KEYGENREQUEST', 'KEYPAIRGENREQUEST', 'PBKDF2REQUEST', 'SCRYPTREQUEST', 'SIGNREQUEST', 'VERIFYREQUEST'],
    ].map((type) => [type, 'a thread of the pool']),
  ),
}

/** Something that left the simulation. */
export class Leak extends Error {
  override readonly name: string = 'Leak'
}

/** Watches for leaks. */
export interface LeakWatch {
  /** Whether it is the code under simulation that runs now. */
  isInside(): boolean
  /** Notes that the code waits for something, and by what; returns what to throw. */
  leave(what: string, by: string): Leak
  stop(): void
}

/** Watches code for what it waits for outside; `isInside` says whether it is that code that runs now, `left` hears of the first leak. */
export function watchLeaks(isInside: () => boolean, left: (leak: Leak) => void): LeakWatch {
  let hasLeft = false
  const leave = (what: string, by: string): Leak => {
    const culprit = findCulprit()
    const found = new Leak(
      `the code under simulation waits for ${what} (${by})${culprit === null ? '' : `, ${culprit}`}: give it something that the seed decides`,
    )
    if (!hasLeft) left(found)
    hasLeft = true
    return found
  }
  const hook = createHook({
    init(_id, type) {
      const what = OUTSIDE[type]
      if (what !== undefined && !hasLeft && isInside()) leave(what, type)
    },
  })
  hook.enable()
  return { isInside, leave, stop: () => void hook.disable() }
}
