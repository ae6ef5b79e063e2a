/**
 * `import { simulate } from 'odradek/testing'`: deterministic simulation for the code that uses a cluster.
 */
export { simulate, SimulationError } from './simulate.ts'
export type { SimulateOptions, SimulationReport } from './simulate.ts'
export type { Scenario, ScenarioClock, ScenarioContext, ScenarioFaultChoice, ScenarioFaultKind, ScenarioFaults } from './scenario.ts'
export type { ProcessContext, Program, SimulatedProcess } from './processes.ts'
export { atomicTransactions, eventually, exactlyOnce, LawError, noDuplicates, noLoss, ordered } from './laws.ts'
export { property } from './property.ts'
export type { PropertyOptions } from './property.ts'
