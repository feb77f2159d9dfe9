import { blocksWithin } from '../../cidr.ts'
import type { Core } from '../../core.ts'
import { fail, refuse } from '../../errors.ts'
import type { Answer, Call, Handler, Route } from '../../routing/backend.ts'
import { uuid } from '../../text/ids.ts'
import { parseMetadata } from './metadata.ts'
import { checkCidrs, type Role } from './role.ts'
import { type SecretId, showSecretId } from './secret-ids.ts'

/** `role/:name/secret-id…`: made, listed, looked up and destroyed, by id and by accessor. */
export function secretIdRoutes(core: Core, findRole: (call: Call) => Role | undefined): Route[] {
  const roleOf = (call: Call): Role => {
    const role = findRole(call)
    if (!role) throw fail(404, `role ${JSON.stringify(call.params.name)} does not exist`)
    return role
  }

  const generate = (call: Call, id: string): Answer => {
    const role = roleOf(call)
    if (!role.bindSecretId) throw refuse(400, 'bind_secret_id is not set on the role')
    const secretId = addSecretId(core, call, role, id)
    return {
      data: {
        secret_id: secretId.id,
        secret_id_accessor: secretId.accessor,
        secret_id_ttl: Math.trunc(secretId.ttl),
      },
    }
  }

  const byId = (call: Call): SecretId | undefined => {
    const id = call.fields.text('secret_id')
    if (id === '') throw refuse(400, 'missing secret_id')
    return roleOf(call).secretIds.get(id, core.clock.now())
  }
  const byAccessor = (call: Call): SecretId => {
    const accessor = call.fields.text('secret_id_accessor')
    if (accessor === '') throw refuse(400, 'missing secret_id_accessor')
    const secretId = roleOf(call).secretIds.byAccessor(accessor, core.clock.now())
    if (secretId) return secretId
    throw fail(404, `failed to find accessor entry for secret_id_accessor: ${JSON.stringify(accessor)}`)
  }

  const lookup =
    (find: (call: Call) => SecretId | undefined): Handler =>
    call => {
      const secretId = find(call)
      return secretId && { data: showSecretId(secretId) }
    }
  const destroy =
    (find: (call: Call) => SecretId | undefined): Handler =>
    call => {
      const secretId = find(call)
      if (secretId) roleOf(call).secretIds.delete(secretId)
      return undefined
    }

  return [
    {
      path: 'role/:name/secret-id',
      help: 'Generates a secret id, or lists the accessors of all.',
      list: call => ({ data: { keys: roleOf(call).secretIds.accessors(core.clock.now()) } }),
      write: call => generate(call, uuid()),
    },
    {
      path: 'role/:name/custom-secret-id',
      help: 'Sets a secret id of choice.',
      write: call => {
        const id = call.fields.text('secret_id')
        if (id === '') throw refuse(400, 'missing secret_id')
        return generate(call, id)
      },
    },
    { path: 'role/:name/secret-id/lookup', help: 'Looks up a secret id.', write: lookup(byId) },
    {
      path: 'role/:name/secret-id/destroy',
      help: 'Destroys a secret id.',
      write: destroy(byId),
      delete: destroy(byId),
    },
    {
      path: 'role/:name/secret-id-accessor/lookup',
      help: 'Looks up a secret id by its accessor.',
      write: lookup(byAccessor),
    },
    {
      path: 'role/:name/secret-id-accessor/destroy',
      help: 'Destroys a secret id by its accessor.',
      write: destroy(byAccessor),
      delete: destroy(byAccessor),
    },
  ]
}

function addSecretId(core: Core, call: Call, role: Role, id: string): SecretId {
  const { fields } = call
  const now = core.clock.now()
  const cidrs = fields.list('cidr_list')
  const tokenCidrs = fields.list('token_bound_cidrs')
  checkCidrs(cidrs)
  checkWithin(role.secretIdBoundCidrs ?? [], cidrs)
  checkWithin(role.params.boundCidrs, tokenCidrs)
  const metadata = parseMetadata(fields.text('metadata'))
  if (role.secretIds.get(id, now)) throw fail(400, 'failed to store secret_id: SecretID is already registered')
  return role.secretIds.add({
    id,
    metadata,
    cidrs,
    tokenCidrs,
    ttl: role.secretIdTtl,
    createdAt: now,
    usesLeft: role.secretIdNumUses,
  })
}

function checkWithin(outer: readonly string[], inner: readonly string[]): void {
  if (inner.length === 0 || blocksWithin(inner, outer)) return
  const show = (blocks: readonly string[]) => `[${blocks.map(block => JSON.stringify(block)).join(' ')}]`
  throw fail(
    400,
    `failed to verify subset relationship between CIDR blocks on the role ${show(outer)} and CIDR blocks on the secret ID ${show(inner)}`,
  )
}
