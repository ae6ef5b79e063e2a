/**
 * What must not be left behind: child processes and temporary directories. Whoever makes one registers how to remove it; it happens at the latest
 * when this process ends, also by Ctrl-C. A SIGKILL of this process it can NOT help against (children end by themselves then).
 */

type Undo = () => void

const undos: Undo[] = []
let isListening = false

/** Registers what to do when the process ends; returns a function that does it now, once. Last in, first out. */
export function atEnd(undo: Undo): Undo {
  listen()
  undos.push(undo)
  return () => {
    const index = undos.indexOf(undo)
    if (index < 0) return
    undos.splice(index, 1)
    undo()
  }
}

function listen(): void {
  if (isListening) return
  isListening = true
  process.on('exit', undoAll)
  process.on('SIGINT', () => process.exit(130))
  process.on('SIGTERM', () => process.exit(143))
  process.on('SIGHUP', () => process.exit(129))
}

function undoAll(): void {
  for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) undo()
}
