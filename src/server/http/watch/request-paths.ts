import { deleteRequest } from '../../store/watch-requests.ts'
import { changeWatch } from '../../watch/change.ts'
import { readRequest, readStoredRequest, readStoredRequests, sealOptions, storeRequest } from '../../watch/requests.ts'
import type { Path } from './path.ts'

const HELP = {
  synopsis: 'Optional requests to Vault, made for each run.',
  description:
    'They are made just before the commands run, always response-wrapped. The token of each answer is in the environment of the ' +
    'commands as $VAULT_REQUEST_TOKEN_<REQUEST_NAME>, to be unwrapped at $VAULT_ADDR.',
}

/** gitops.md §4.3 */
export const REQUESTS: Path = {
  pattern: 'configure/vault_request',
  ...HELP,
  list: async ({ engine, watch }) => {
    const requests = await readStoredRequests(engine, watch.name)
    if (requests.length === 0) return null
    const key_info = Object.fromEntries(requests.map(request => [request.name, request]))
    return { data: { keys: requests.map(request => request.name), key_info } }
  },
}

export const REQUEST: Path = {
  pattern: 'configure/vault_request/:name',
  ...HELP,
  fields: {
    path: 'Path of the request with the version of the API: /v1/kv/bucket1. Required.',
    method: 'GET, POST, LIST, PUT or DELETE; GET by default.',
    options: 'JSON object that is sent as the body.',
    wrap_ttl: 'How long the wrapping token lives; 1m is the default and the least.',
  },
  read: async ({ engine, watch, name }) => {
    const request = await readStoredRequest(engine, watch.name, name)
    return request ? { data: { ...request } } : null
  },
  write: async ({ engine, caller, watch, name, fields }) => {
    const request = readRequest(name, fields)
    const sealed = await sealOptions(engine, request)
    const { path, method, wrap_ttl } = request
    const where = `configure/vault_request/${name}`
    await changeWatch(engine, caller, watch, where, { path, method, wrap_ttl }, async tx => {
      await storeRequest(tx, watch.name, request, sealed)
      return undefined
    })
    return path.startsWith('/v1/') ? null : { warnings: ['"path" does not begin with /v1/: Vault has nothing there'] }
  },
  remove: async ({ engine, caller, watch, name }) => {
    await changeWatch(engine, caller, watch, `configure/vault_request/${name}`, { removed: true }, async tx => {
      await deleteRequest(tx, watch.name, name)
      return undefined
    })
    return null
  },
}
