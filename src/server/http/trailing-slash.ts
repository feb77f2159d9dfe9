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
  const target = `/${withoutSlashes(path)}`
  return reply.redirect(query === undefined ? target : `${target}?${query}`, 301)
}

/** Counted: an expression for the slashes at the end begins anew at each slash before, and a stranger's path may be nothing else. */
function withoutSlashes(path: string): string {
  let [start, end] = [0, path.length]
  while (path[start] === '/') start += 1
  while (end > start && path[end - 1] === '/') end -= 1
  return path.slice(start, end)
}
