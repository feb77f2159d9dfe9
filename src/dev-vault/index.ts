export { Clock, type DevVault, type DevVaultOptions, startDevVault } from './server.ts'
