/** The log of the metadata, as disks know it. */
import { logNameOf } from '../partitions/replica-state.ts'
import { METADATA_TOPIC } from '../coordinator/metadata.ts'

/** Its name. */
export const METADATA_LOG: string = logNameOf(METADATA_TOPIC, 0, 0)
