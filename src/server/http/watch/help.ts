import type { Path } from './path.ts'

/** The answer to `vault path-help`: text, and the little of OpenAPI that Vault's clients look for. */
export function helpOf(path: Path, request: string): Record<string, unknown> {
  const fields = Object.entries(path.fields ?? {})
  const parameters = fields.map(([name, text]) => `    ${name}\n        ${text}\n`).join('\n')
  const help = [
    `Request:        ${request}`,
    `Matching Route: ^${path.pattern.replace(':name', '(?P<name>\\w(([\\w-.]+)?\\w)?)')}/?$`,
    '',
    path.synopsis,
    ...(parameters ? ['', '## PARAMETERS', '', parameters] : []),
    '## DESCRIPTION',
    '',
    path.description,
    '',
  ].join('\n')
  return { help, see_also: null, openapi: openapi({}) }
}

/** The help of the mount as a whole. */
export function mountHelp(paths: readonly Path[]): Record<string, unknown> {
  const list = paths.map(path => `    ^${path.pattern}/?$\n        ${path.synopsis}\n`).join('\n')
  const help = [
    '## DESCRIPTION',
    '',
    'Waits for new commits on a branch, checks that enough trusted people have signed them, and runs the configured',
    'commands for each in a container that holds exactly its files.',
    '',
    '## PATHS',
    '',
    list,
  ].join('\n')
  return { help, see_also: null, openapi: openapi({}) }
}

function openapi(paths: object): Record<string, unknown> {
  return { openapi: '3.0.2', info: { title: 'writ', version: '1.0.0' }, paths }
}
