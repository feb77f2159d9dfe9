import type { Core } from '../core.ts'
import { fail, refuse } from '../errors.ts'
import type { Answer, Call, Caller, Route } from '../routing/backend.ts'
import type { TokenEntry } from '../tokens/entry.ts'

/** `sys/capabilities`, of a token, of an accessor, of oneself. The paths asked about need not lead anywhere. */
export function capabilityRoutes(core: Core): Route[] {
  const answer = (token: TokenEntry, call: Call): Answer => {
    const paths = call.fields.has('paths') ? call.fields.list('paths') : call.fields.list('path')
    if (paths.length === 0) throw refuse(400, 'paths must be supplied')
    const acl = core.policies.aclOf(token)
    const found = paths.map(path => [path, acl.capabilities(path)] as const)
    const [only] = found
    const single = paths.length === 1 && only ? { capabilities: only[1] } : {}
    return { data: { ...Object.fromEntries(found), ...single }, flat: true }
  }
  return [
    {
      path: 'capabilities-self',
      help: 'What the calling token may do at some paths.',
      write: call => answer((call.caller as Caller).token, call),
    },
    {
      path: 'capabilities-accessor',
      help: 'What the token of an accessor may do at some paths.',
      write: call => {
        const token = core.tokens.byAccessor(call.fields.text('accessor'))
        if (!token) throw fail(400, 'invalid accessor')
        return answer(token, call)
      },
    },
    {
      path: 'capabilities',
      help: 'What a token may do at some paths.',
      write: call => {
        const token = core.tokens.find(call.fields.text('token'))
        if (!token) throw fail(400, 'invalid token')
        return answer(token, call)
      },
    },
  ]
}
