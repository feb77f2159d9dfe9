import type { FastifyInstance } from 'fastify'
import { buildGateApp } from '../src/server/http/gate/app.ts'
import type { GateHttpSettings } from '../src/server/http/gate/settings.ts'
import { GateBench } from './gate.ts'

const SETTINGS: GateHttpSettings = {
  wire: 'v1',
  version: 'dev',
  sealedStatus: 200,
  vaultAddress: 'http://vault.example:8200/',
  legacyAdmin: false,
  userId: null,
  tokenRate: 0,
  unsealRate: 0,
  tlsCert: null,
  tlsKey: null,
}

/** A gate with its HTTP interface, not listening. */
export async function startGateApp(
  settings: Partial<GateHttpSettings>,
  options: Parameters<typeof GateBench.start>[0] = {},
): Promise<{ bench: GateBench; app: FastifyInstance; close(): Promise<void> }> {
  const bench = await GateBench.start(options)
  if (!options.sealed) await bench.gate.start()
  const app = await buildGateApp(bench.gate, { ...SETTINGS, ...settings })
  const close = async () => {
    await app.close()
    await bench.close()
  }
  return { bench, app, close }
}
