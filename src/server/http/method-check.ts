import type { FastifyInstance } from 'fastify'
import { WritError } from '../../protocol/errors.ts'

interface KnownRoute {
  readonly method: string
  /** With parameters: `/job/:id`. */
  readonly url: string
}

declare module 'fastify' {
  interface FastifyInstance {
    /** All routes that there are. */
    knownRoutes: KnownRoute[]
  }
}

/**
 * A path that there is not, or not with this method, is refused before its body is read: a stranger could else send large ones
 * to any path. To be called before the first route.
 */
export function refuseUnknown(app: FastifyInstance): void {
  const known: (KnownRoute & { readonly path: RegExp })[] = []
  app.decorate('knownRoutes', known)
  app.addHook('onRoute', ({ url, method: methods }) => {
    for (const method of [methods].flat()) known.push({ method, url, path: matcher(url) })
  })
  app.addHook('onRequest', async (request, reply) => {
    // no name has a NUL, and the database would answer one with a fault of ours, to strangers too
    if (request.url.includes('%00')) throw new WritError('route_not_found')
    if (!request.is404) return
    const [path = ''] = request.url.split('?', 1)
    const methods = known.filter(route => route.path.test(path)).map(route => route.method)
    if (methods.length === 0) throw new WritError('route_not_found')
    reply.header('allow', [...new Set(methods)].sort().join(', '))
    throw new WritError('method_not_allowed')
  })
}

/** What the pattern of a route matches: `/job/:id`, `/files/*`. */
function matcher(url: string): RegExp {
  const parts = url.split(/(:\w+|\*)/).map(part => {
    if (part === '*') return '.*'
    return part.startsWith(':') ? '[^/]+' : part.replaceAll(/[^\w/-]/g, '\\$&')
  })
  return new RegExp(`^${parts.join('')}$`)
}
