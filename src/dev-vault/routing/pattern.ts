import type { Backend, Route } from './backend.ts'

interface Compiled {
  readonly route: Route
  readonly pattern: RegExp
}

const compiled = new WeakMap<Backend['routes'], readonly Compiled[]>()

/** `role/:name/secret-id` as an expression; a slash at the end is allowed, as lists have one; what takes the rest takes it too. */
function compilePattern(path: string): RegExp {
  const source = path
    .split('/')
    .map(part => {
      if (part.endsWith('*')) return `(?<${part.slice(1, -1)}>.*)`
      return part.startsWith(':') ? `(?<${part.slice(1)}>[^/]+)` : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    })
    .join('/')
  return new RegExp(`^${source}${path.endsWith('*') ? '' : '/?'}$`, 's')
}

/** The first route of the backend that the path fits, with the parts it names. */
export function matchRoute(
  backend: Backend,
  path: string,
): { route: Route; params: Record<string, string> } | undefined {
  let routes = compiled.get(backend.routes)
  if (!routes) {
    routes = backend.routes.map(route => ({ route, pattern: compilePattern(route.path) }))
    compiled.set(backend.routes, routes)
  }
  for (const { route, pattern } of routes) {
    const match = pattern.exec(path)
    if (match) return { route, params: { ...match.groups } }
  }
  return undefined
}

/** Is the path one of these? A text that ends in `*` stands for all that begins with it. */
export function pathListed(path: string, list: readonly string[] | undefined): boolean {
  return (list ?? []).some(item => (item.endsWith('*') ? path.startsWith(item.slice(0, -1)) : path === item))
}
