/**
 * A module that ends the thread that loads it: what a supervisor sees of a worker that cannot start.
 */
process.exit(3)
