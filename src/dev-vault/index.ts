/** @public for those who share a clock between several servers */
export { Clock } from './clock.ts'
/** @public for those who pass options on */
export type { DevVaultOptions } from './server.ts'
export { type DevVault, startDevVault } from './server.ts'
