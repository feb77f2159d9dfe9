import { rfc3339 } from '../clock.ts'
import type { Core } from '../core.ts'
import { refuse } from '../errors.ts'
import type { Call, Handler, Route } from '../routing/backend.ts'
import { keysBelow } from '../text/keys.ts'
import { FOREVER, leaseIdOf } from '../tokens/entry.ts'
import { decideTtl } from '../tokens/ttl.ts'

export const SUDO_LEASES = [
  'leases/lookup/*',
  'leases/revoke-prefix/*',
  'leases/revoke-force/*',
  'revoke-prefix/*',
  'revoke-force/*',
]

/** `sys/leases`: secrets under lease, and the tokens of logins, which are leases as well. */
export function leaseRoutes(core: Core): Route[] {
  const idOf = (call: Call) => {
    const id = call.fields.text('lease_id') || call.fields.text('url_lease_id')
    if (id === '') throw refuse(400, 'lease_id must be specified')
    return id
  }

  const renew: Handler = async call => {
    const lease = core.leases.find(idOf(call))
    if (!lease && core.tokens.byLease(idOf(call))) throw refuse(400, 'tokens cannot be renewed through this endpoint')
    if (!lease) throw refuse(400, 'lease not found')
    const age = Math.trunc((core.clock.now() - lease.issuedAt) / 1000)
    const question = {
      ttl: lease.ttl,
      maxTtl: lease.maxTtl,
      period: 0,
      explicitMaxTtl: 0,
      ...core.ttlsOf(lease.mount),
      age,
    }
    const { ttl, warnings } = decideTtl({ ...question, increment: call.fields.seconds('increment') })
    return { ...(await core.leases.renew(lease, ttl)), warnings }
  }

  const revoke: Handler = async call => {
    // also one that has ended and could not be given back yet
    const lease = core.leases.known(idOf(call))
    if (lease) await core.leases.revoke(lease)
    const token = core.tokens.byLease(idOf(call))
    if (token) await core.tokens.revoke(token)
    return undefined
  }

  const revokePrefix: Handler = async call => {
    const prefix = `${(call.params.prefix as string).replace(/\/+$/, '')}/`
    await core.leases.revokeAll(core.leases.under(prefix))
    const tokens = core.tokens.all().filter(token => leaseIdOf(token).startsWith(prefix))
    await Promise.all(tokens.map(token => core.tokens.revoke(token)))
    return undefined
  }

  const lookup: Handler = call => {
    const now = core.clock.now()
    const lease = core.leases.find(idOf(call))
    const token = lease ? undefined : core.tokens.byLease(idOf(call))
    const found = lease ?? token
    if (!found) throw refuse(400, 'invalid lease')
    const ends = found.expiresAt !== FOREVER
    return {
      data: {
        expire_time: ends ? rfc3339(found.expiresAt) : null,
        id: idOf(call),
        issue_time: rfc3339('issuedAt' in found ? found.issuedAt : found.createdAt),
        last_renewal: found.lastRenewal === undefined ? null : rfc3339(found.lastRenewal),
        renewable: 'renewable' in found ? found.renewable : true,
        ttl: ends ? Math.trunc((found.expiresAt - now) / 1000) : 0,
      },
    }
  }

  const list: Handler = call => {
    const prefix = (call.params.prefix ?? '').replace(/\/+$/, '')
    const ids = [...core.leases.all().map(lease => lease.id), ...core.tokens.all().map(leaseIdOf)]
    return { data: { keys: keysBelow(ids, prefix) } }
  }

  return [
    { path: 'leases/lookup', help: 'Looks up a lease, or lists them.', write: lookup, list },
    { path: 'leases/lookup/:prefix*', help: 'Lists leases.', list },
    ...['leases/renew', 'renew'].flatMap(path => [
      { path, help: 'Renews a lease.', write: renew },
      { path: `${path}/:url_lease_id*`, help: 'Renews a lease.', write: renew },
    ]),
    ...['leases/', ''].flatMap(at => [
      { path: `${at}revoke-prefix/:prefix*`, help: 'Revokes all leases below a path.', write: revokePrefix },
      {
        path: `${at}revoke-force/:prefix*`,
        help: 'Revokes all leases below a path, whatever fails.',
        write: revokePrefix,
      },
      { path: `${at}revoke`, help: 'Revokes a lease.', write: revoke },
      { path: `${at}revoke/:url_lease_id*`, help: 'Revokes a lease.', write: revoke },
    ]),
    { path: 'leases/tidy', help: 'Cleans up; nothing needs it here.', write: () => ({ status: 202, data: null }) },
  ]
}
