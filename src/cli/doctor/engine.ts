import { Agent, request } from 'undici'
import { type EngineAddress, engineAddress } from '../../server/runtimes/docker/engine-address.ts'

/** Where Docker's package listens. */
const USUAL_SOCKETS: readonly string[] = ['/var/run/docker.sock', '/run/docker.sock']
const PATIENCE_MS = 5_000

export interface Engine {
  /** For people. */
  readonly host: string
  readonly address: EngineAddress
  /** It is the one that Docker's package starts, so that we may start it. */
  readonly usual: boolean
}

export type Answer =
  | { readonly ok: true; readonly name: string }
  | { readonly ok: false; readonly problem: string; readonly code: string }

export function engineOf(env: NodeJS.ProcessEnv, usual = USUAL_SOCKETS): Engine | { readonly problem: string } {
  try {
    const address = engineAddress(undefined, env)
    const host = address.socketPath ?? address.origin
    return { host, address, usual: usual.includes(host) }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : 'DOCKER_HOST is not understood' }
  }
}

/** Asks for the engine's version, in a few seconds. */
export async function askEngine({ address }: Engine): Promise<Answer> {
  const { origin, socketPath, tls } = address
  const agent = new Agent({ connect: { ...tls, ...(socketPath ? { socketPath } : {}), timeout: PATIENCE_MS } })
  try {
    const { statusCode, body } = await request(`${origin}/version`, {
      dispatcher: agent,
      signal: AbortSignal.timeout(PATIENCE_MS),
    })
    const said = (await body.json()) as { Version?: string; ApiVersion?: string; Components?: { Name?: string }[] }
    if (statusCode !== 200 || !said.ApiVersion) return { ok: false, problem: `it answers ${statusCode}`, code: '' }
    const name = said.Components?.[0]?.Name?.replace(/ Engine$/, '') ?? 'Engine'
    return { ok: true, name: `${name === 'Engine' ? 'Docker' : name} ${said.Version} (API ${said.ApiVersion})` }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    return { ok: false, problem: PROBLEMS[code] ?? (error instanceof Error ? error.message : 'no reason given'), code }
  } finally {
    await agent.destroy()
  }
}

const PROBLEMS: Record<string, string> = {
  ENOENT: 'no such socket',
  ECONNREFUSED: 'nobody listens',
  EACCES: 'this user may not open it',
  ENOTFOUND: 'no such host',
}
