import type { RuntimeInfo } from '../runtime.ts'
import type { Engine } from './engine.ts'
import { refusal } from './engine-error.ts'

interface EngineInfo {
  readonly Containers: number
  readonly ContainersRunning: number
  readonly ContainersPaused: number
  readonly ContainersStopped: number
  readonly Images: number
  readonly MemTotal: number
  readonly Architecture: string
  readonly OperatingSystem: string
}

/** What `GET /version` and `GET /info` say. */
export async function describeEngine(engine: Engine, signal?: AbortSignal): Promise<RuntimeInfo> {
  const { Platform, Version } = await engine.version(signal)
  const info = await engine.json<EngineInfo>('GET', '/info', { signal }).catch(error => {
    throw refusal(error, 'runtime_unavailable')
  })
  return {
    engine: Platform?.Name || 'Docker',
    version: Version,
    containers: {
      all: info.Containers,
      running: info.ContainersRunning,
      paused: info.ContainersPaused,
      stopped: info.ContainersStopped,
    },
    images: info.Images,
    memoryBytes: info.MemTotal,
    architecture: info.Architecture,
    operatingSystem: info.OperatingSystem,
  }
}
