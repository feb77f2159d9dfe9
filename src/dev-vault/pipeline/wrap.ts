import { rfc3339 } from '../clock.ts'
import type { Core } from '../core.ts'
import { WRAPPING_POLICY_NAME } from '../policy/default-policy.ts'
import type { Answer, WrapInfo } from '../routing/backend.ts'
import type { VaultRequest } from '../routing/request.ts'
import { isObject } from '../text/json.ts'
import { envelope } from './envelope.ts'

/** Puts an answer into the cubbyhole of a token of one use, when the client asked for that and there is an answer to put. */
export async function wrapAnswer(
  core: Core,
  request: VaultRequest,
  answer: Answer | undefined,
): Promise<Answer | undefined> {
  if (request.wrapTtl === 0 || !answer || answer.wrap || answer.bare || (answer.status ?? 200) >= 400) return answer
  if (request.operation === 'list' && emptyKeys(answer)) return answer
  return { wrap: wrap(core, JSON.stringify(envelope(answer)), request.path, request.wrapTtl, accessorOf(answer)) }
}

/** Makes a wrapping token around a response, as text. */
export function wrap(core: Core, response: string, path: string, ttl: number, wrappedAccessor: string): WrapInfo {
  const token = core.tokens.create({
    policies: [WRAPPING_POLICY_NAME],
    path,
    ttl,
    explicitMaxTtl: ttl,
    numUses: 1,
    internal: { wrappedAccessor },
  })
  token.cubbyhole = new Map([['response', { response }]])
  return {
    token: token.id,
    accessor: token.accessor,
    ttl: Math.trunc(ttl),
    creation_time: rfc3339(token.createdAt),
    creation_path: path,
    ...(wrappedAccessor !== '' && { wrapped_accessor: wrappedAccessor }),
  }
}

function accessorOf(answer: Answer): string {
  return typeof answer.auth?.accessor === 'string' ? answer.auth.accessor : ''
}

function emptyKeys(answer: Answer): boolean {
  const keys = isObject(answer.data) ? answer.data.keys : undefined
  return !Array.isArray(keys) || keys.length === 0
}
