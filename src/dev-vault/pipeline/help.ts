import { refuse } from '../errors.ts'
import type { Answer, Mount, Route } from '../routing/backend.ts'

/** The answer to `?help=1`: what a mount or one of its paths is for. The texts are ours; their shape is Vault's. */
export function pathHelp(mount: Mount, rest: string, route: Route | undefined): Answer {
  if (rest === '')
    return { bare: { help: rootHelp(mount), see_also: null, openapi: openapi([...mount.backend.routes]) } }
  if (!route) throw refuse(404, 'unsupported path')
  const help = `Request:        ${rest}\nMatching Route: ${route.path}\n\n${route.help}\n\n## DESCRIPTION\n\n${route.help}\n`
  return { bare: { help, see_also: null, openapi: openapi([route]) } }
}

function rootHelp(mount: Mount): string {
  const paths = mount.backend.routes.map(route => `    ${route.path}\n        ${route.help}\n`)
  return `## DESCRIPTION\n\n${mount.backend.help}\n\n## PATHS\n\n${paths.join('\n')}`
}

function openapi(routes: readonly Route[]) {
  const paths = routes.map(route => [`/${route.path.replace(/:(\w+)\*?/g, '{$1}')}`, { description: route.help }])
  return {
    openapi: '3.0.2',
    info: { title: 'HashiCorp Vault API', version: '1.8.0' },
    paths: Object.fromEntries(paths) as Record<string, unknown>,
  }
}
