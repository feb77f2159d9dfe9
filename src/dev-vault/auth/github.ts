import type { Core } from '../core.ts'
import { notFound, refuse } from '../errors.ts'
import type { Answer, Backend, Call } from '../routing/backend.ts'
import { githubUser } from './github-api.ts'
import { PathMap } from './path-map.ts'
import { changeParams, limitsOf, loginOf, NO_PARAMS, showParams, type TokenParams } from './token-params.ts'

const GITHUB = 'https://api.github.com/'

interface Config {
  readonly organization: string
  readonly baseUrl: string
  readonly params: TokenParams
}

/** GitHub: a personal access token proves a user, whose teams are mapped to policies. */
export function githubBackend(_core: Core): Backend {
  const teams = new PathMap()
  const users = new PathMap()
  let config: Config | undefined

  const login = async (call: Call): Promise<Answer> => {
    if (!config) throw refuse(400, 'configuration has not been set')
    const token = call.fields.text('token')
    if (token === '') throw refuse(400, 'missing token')
    const user = await githubUser(config.baseUrl || GITHUB, token, config.organization)
    const policies = [...user.teams.flatMap(team => teams.values(team)), ...users.values(user.login)]
    return {
      login: {
        ...loginOf(config.params),
        policies: [...config.params.policies, ...policies],
        displayName: user.login,
        metadata: { username: user.login, org: config.organization },
        alias: user.login,
        internal: {},
      },
    }
  }

  return {
    help: 'The GitHub credential provider allows authentication via GitHub.',
    open: ['login'],
    routes: [
      {
        path: 'config',
        help: 'The organization, and where its GitHub is.',
        read: () => {
          if (!config) throw notFound()
          const { ttl, maxTtl } = config.params
          const old = { ttl, max_ttl: maxTtl }
          return {
            data: { ...showParams(config.params), ...old, base_url: config.baseUrl, organization: config.organization },
          }
        },
        write: ({ fields }) => {
          const organization = fields.text('organization', config?.organization)
          if (organization === '') throw refuse(400, 'organization is a required parameter')
          const baseUrl = fields.text('base_url', config?.baseUrl)
          if (baseUrl !== '' && !URL.canParse(baseUrl)) throw refuse(400, 'Error parsing given base_url: not a URL')
          const params = changeParams(fields, config?.params ?? NO_PARAMS)
          config = { organization, params, baseUrl: baseUrl === '' || baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/` }
          return undefined
        },
      },
      ...teams.routes('teams'),
      ...users.routes('users'),
      { path: 'login', help: 'Logs in with a personal access token.', write: login },
    ],
    renewLogin: () => limitsOf(config?.params ?? NO_PARAMS),
  }
}
