import type { FastifyReply, FastifyRequest } from 'fastify'

/** A path that ends in a slash is the one without it, for every method, before anything else is looked at (gostint.md §2.1). */
export async function withoutTrailingSlash(
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  const [path = '', query] = request.url.split('?', 2)
  // paths of a watch may end in one, and Vault does not redirect
  if (path === '/' || !path.endsWith('/') || /^\/v1\/(?!api(?:\/|$))/.test(path)) return undefined
  // only one slash at the beginning: `//elsewhere/` would send the client to another host
  const target = `/${path.replace(/^\/+|\/+$/g, '')}`
  return reply.redirect(query === undefined ? target : `${target}?${query}`, 301)
}
