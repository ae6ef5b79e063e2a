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
export { faultArbitrary, keyArbitrary, recordArbitrary } from './arbitraries.ts'
export type { DrawnRecord, FastCheckApi, RecordArbitraryOptions } from './arbitraries.ts'
export type { MishapOptions } from './models/mishaps.ts'
export { checkTopic, topicCommands } from './models/topic-commands.ts'
export type { TopicCommand, TopicCommandsOptions } from './models/topic-commands.ts'
export type { ModelRecord, NumberedRecord, PartitionModel, TopicModel, UncertainRecords } from './models/topic-model.ts'
export { topicUnderTest } from './models/topic-under-test.ts'
export type { TopicReal, TopicUnderTest, TopicUnderTestOptions, TransactionOutcome } from './models/topic-under-test.ts'
