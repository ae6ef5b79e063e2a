/**
 * A module that cannot be loaded: what a supervisor sees of a worker whose start fails, and which runs on.
 */
throw new Error('this module cannot be loaded')
