import { addressAllowed } from '../cidr.ts'
import type { Core } from '../core.ts'
import { permissionDenied, refuse, unsupportedOperation, unsupportedPath, WrappedError } from '../errors.ts'
import { Fields } from '../fields.ts'
import type { Answer, Call, Caller, Mount, Route } from '../routing/backend.ts'
import { matchRoute, pathListed } from '../routing/pattern.ts'
import type { Operation, VaultRequest } from '../routing/request.ts'
import type { TokenEntry } from '../tokens/entry.ts'
import { pathHelp } from './help.ts'
import { login } from './login.ts'
import { checkWrappingToken } from './unwrap.ts'
import { wrapAnswer } from './wrap.ts'

/** Where a request goes. */
interface Target {
  readonly mount: Mount
  readonly rest: string
  readonly found: { route: Route; params: Record<string, string> } | undefined
}

/**
 * The way of every request: find its path, find out who asks and spend a use, decide, act, wrap.
 * @throws VaultError
 */
export async function handle(core: Core, request: VaultRequest): Promise<Answer | undefined> {
  if (core.sealed) throw refuse(503, 'Vault is sealed')
  if (request.operation === 'update' && request.path.endsWith('/'))
    throw refuse(400, `cannot write to a path ending in '/'`)
  const place = core.mounts.resolve(request.path)
  const target = place && { ...place, found: matchRoute(place.mount.backend, place.rest) }
  const open =
    target !== undefined && request.operation !== 'help' && pathListed(target.rest, target.mount.backend.open)
  return open ? handleOpen(core, request, target) : handleWithToken(core, request, target)
}

/** A path that needs no token: logins, and a few of sys. */
async function handleOpen(core: Core, request: VaultRequest, target: Target): Promise<Answer | undefined> {
  try {
    let answer = await act(callOf(request, target, undefined), target, request.operation)
    if (answer?.login) answer = { auth: login(core, request, target.mount, answer.login) }
    return await wrapAnswer(core, request, answer)
  } catch (error) {
    // Logins are answered by another part of Vault, which does not dress its errors.
    throw error instanceof WrappedError ? refuse(error.status, error.text) : error
  }
}

async function handleWithToken(
  core: Core,
  request: VaultRequest,
  target: Target | undefined,
): Promise<Answer | undefined> {
  checkWrappingToken(core, request)
  const token = findCaller(core, request)
  const last = core.tokens.use(token)
  try {
    return await handleAs({ token, acl: core.policies.aclOf(token) }, core, request, target)
  } finally {
    if (last) await core.tokens.revoke(token)
  }
}

function findCaller(core: Core, request: VaultRequest): TokenEntry {
  if (request.token === '') throw refuse(400, 'missing client token')
  const token = core.tokens.find(request.token)
  // The last use is under way: a second request at the same moment must not be one more.
  if (!token || token.numUses < 0) throw refuse(403, 'permission denied')
  if (!addressAllowed(request.address, token.boundCidrs)) throw refuse(403, 'permission denied')
  return token
}

async function handleAs(caller: Caller, core: Core, request: VaultRequest, target: Target | undefined) {
  const call = target && callOf(request, target, caller)
  const operation = call ? writeKind(call, target) : request.operation
  const sudo = target !== undefined && pathListed(target.rest, target.mount.backend.sudo)
  if (operation !== 'help' && !caller.acl.allows(request, operation, sudo)) throw permissionDenied()
  if (!call) throw refuse(404, `no handler for route '${request.path}'`)
  if (operation === 'help') return pathHelp(target.mount, target.rest, target.found?.route)
  const answer = await act(call, target, operation)
  return await wrapAnswer(core, request, await underLease(core, call, answer))
}

/** Is a write a creation? Only the thing itself knows. */
function writeKind(call: Call, target: Target): Operation {
  if (call.request.operation !== 'update' || !target.found?.route.exists) return call.request.operation
  return target.found.route.exists(call) ? 'update' : 'create'
}

async function act(call: Call, { found }: Target, operation: Operation): Promise<Answer | undefined> {
  if (!found) throw unsupportedPath()
  const { route } = found
  const handler = {
    read: route.read,
    list: route.list,
    create: route.write,
    update: route.write,
    delete: route.delete,
    help: undefined,
  }[operation]
  if (!handler) throw unsupportedOperation()
  return await handler(call)
}

function callOf(request: VaultRequest, { mount, found }: Target, caller: Caller | undefined): Call {
  const params = found?.params ?? {}
  return { request, params, fields: new Fields({ ...request.data, ...params }), caller, mount }
}

async function underLease(core: Core, call: Call, answer: Answer | undefined): Promise<Answer | undefined> {
  if (!answer?.secret || !call.caller) return answer
  const { token } = call.caller
  const lease = core.leases.register(call.request.path, call.mount, token, answer.secret)
  // Ended while the secret was being made: the secret must not outlive it.
  if (core.tokens.find(token.id) !== token) {
    await core.leases.revokeAll([lease])
    throw refuse(403, 'permission denied')
  }
  return { ...answer, leaseId: lease.id, renewable: true, leaseDuration: lease.ttl }
}
