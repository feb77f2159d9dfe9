import type { Core } from '../core.ts'
import { notFound, refuse } from '../errors.ts'
import type { Answer, Call, Route } from '../routing/backend.ts'

/** `sys/policies/acl`, and `sys/policy`, the older path with other keys. */
export function policyRoutes(core: Core): Route[] {
  return [...routesAt(core, 'policies/acl', 'policy'), ...routesAt(core, 'policy', 'rules')]
}

function routesAt(core: Core, path: string, textKey: 'policy' | 'rules'): Route[] {
  const old = textKey === 'rules'
  const nameOf = (call: Call) => (call.params.name as string).toLowerCase()
  const list = (): Answer => {
    const keys = core.policies.names()
    return old ? { data: { keys, policies: keys }, flat: true } : { data: { keys } }
  }
  return [
    { path, help: 'Lists the policies.', list, ...(old && { read: list }) },
    {
      path: `${path}/:name*`,
      help: 'Reads, writes or deletes a policy.',
      read: call => {
        const text = core.policies.text(nameOf(call))
        if (text === undefined) throw notFound()
        return { data: { name: nameOf(call), [textKey]: text }, flat: old }
      },
      write: call => {
        const text = call.fields.text('policy') || call.fields.text('rules')
        if (text === '') throw refuse(400, `'policy' parameter not supplied or empty`)
        core.policies.write(nameOf(call), text)
        return undefined
      },
      delete: call => {
        core.policies.delete(nameOf(call))
        return undefined
      },
    },
  ]
}
