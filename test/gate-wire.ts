import type { LightMyRequestResponse } from 'fastify'
import { afterEach } from 'vitest'
import { startGateApp } from './gate-app.ts'

/** What the clients of vault-gatekeeper 1 look at. */
export interface Told {
  readonly code: number
  readonly status: unknown
  readonly ok: unknown
  readonly error: unknown
}

/** A refusal as version 1's clients see it. */
export const refused = (code: number, error: unknown, status = 'Unsealed'): Told => ({ code, status, ok: false, error })

/** A gate that anybody may administer, and its requests. */
async function startGateWire(...[settings, options]: Parameters<typeof startGateApp>) {
  const stack = await startGateApp({ legacyAdmin: true, ...settings }, options)
  const post = async (url: string, body?: unknown, headers: Record<string, string> = {}) =>
    await stack.app.inject({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
  const get = async (url: string, accept = '*/*') => await stack.app.inject({ method: 'GET', url, headers: { accept } })
  const told = async (answer: Promise<LightMyRequestResponse>): Promise<Told> => {
    const { statusCode, json } = await answer
    const { status, ok, error } = json() as Record<string, unknown>
    return { code: statusCode, status, ok, error }
  }
  return { ...stack, post, get, told, root: () => stack.bench.stack.root.reveal() }
}

type GateWire = Awaited<ReturnType<typeof startGateWire>>

/** For a file of tests: a gate that each of them starts for itself, as it wants it. */
export function gateWire() {
  let stack: GateWire
  afterEach(() => stack.close())
  const post: GateWire['post'] = (...args) => stack.post(...args)
  const get: GateWire['get'] = (...args) => stack.get(...args)
  const told: GateWire['told'] = answer => stack.told(answer)
  return {
    get stack() {
      return stack
    },
    start: async (...args: Parameters<typeof startGateWire>) => {
      stack = await startGateWire(...args)
    },
    post,
    get,
    told,
    root: () => stack.root(),
  }
}
