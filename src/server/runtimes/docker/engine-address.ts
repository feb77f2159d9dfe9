import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { WritError } from '../../../protocol/errors.ts'

/** Where the engine listens, in the two shapes that the HTTP clients want it. */
export interface EngineAddress {
  readonly origin: string
  readonly socketPath: string | undefined
  readonly tls: Certificates | undefined
}

interface Certificates {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

const DEFAULT_HOST = 'unix:///var/run/docker.sock'

/** Reads `DOCKER_HOST`, `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` the way Docker's own command line does. */
export function engineAddress(host: string | undefined, env: NodeJS.ProcessEnv = process.env): EngineAddress {
  const text = host || env.DOCKER_HOST || DEFAULT_HOST
  if (text.startsWith('unix://')) {
    return { origin: 'http://engine', socketPath: text.slice('unix://'.length), tls: undefined }
  }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !['tcp:', 'http:', 'https:'].includes(url.protocol) || !url.hostname) {
    throw new WritError('runtime_unavailable', 'DOCKER_HOST is neither unix:///path nor tcp://host:port')
  }
  const secure = url.protocol === 'https:' || Boolean(env.DOCKER_TLS_VERIFY)
  const port = url.port || (secure ? '2376' : '2375')
  return {
    origin: `${secure ? 'https' : 'http'}://${url.hostname}:${port}`,
    socketPath: undefined,
    tls: secure ? certificates(env.DOCKER_CERT_PATH) : undefined,
  }
}

function certificates(folder: string | undefined): Certificates {
  if (!folder) return {}
  try {
    return {
      ca: readFileSync(join(folder, 'ca.pem')),
      cert: readFileSync(join(folder, 'cert.pem')),
      key: readFileSync(join(folder, 'key.pem')),
    }
  } catch (cause) {
    throw new WritError('runtime_unavailable', 'DOCKER_CERT_PATH lacks a readable ca.pem, cert.pem or key.pem', {
      cause,
    })
  }
}
