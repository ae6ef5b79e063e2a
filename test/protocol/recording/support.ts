// What the tests of recordings share: writing an entry that was read, or made up.
import type { Entry, EntryWriter } from '../../../protocol/recording/entries.ts'

/** Writes an entry of any kind. */
export function writeEntry(writer: EntryWriter, entry: Entry): void {
  if (entry.kind === 'spawned') return writer.spawned(entry.node, entry.actor, entry.behaviour, entry.config)
  if (entry.kind === 'stopped') return writer.stopped(entry.node, entry.actor)
  writer.beginStep(entry.node, entry.actor, entry.context, entry.message)
  if ('thrown' in entry.outcome) writer.failStep(entry.outcome.thrown)
  else writer.endStep(entry.outcome.effects as readonly object[])
}
