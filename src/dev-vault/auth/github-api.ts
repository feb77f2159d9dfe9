import { refuse } from '../errors.ts'
import { isObject, type JsonObject, parseJson } from '../text/json.ts'

/** Who a GitHub token belongs to. */
export interface GithubUser {
  readonly login: string
  /** Team names and slugs within the organization. */
  readonly teams: readonly string[]
}

const TIMEOUT = 10_000
/** More answers than this are not followed: an account with a thousand organizations is none of ours. */
const MAX_PAGES = 10

/** Asks GitHub for the user behind a token and the teams within an organization. @throws VaultError */
export async function githubUser(baseUrl: string, token: string, organization: string): Promise<GithubUser> {
  const [user] = await pages(baseUrl, 'user', token)
  const organizations = await pages(baseUrl, 'user/orgs', token)
  const wanted = organization.toLowerCase()
  if (!organizations.some(({ login }) => String(login).toLowerCase() === wanted)) {
    throw refuse(400, 'user is not part of required org')
  }
  const teams = await pages(baseUrl, 'user/teams', token)
  const ours = teams.filter(
    team => isObject(team.organization) && String(team.organization.login).toLowerCase() === wanted,
  )
  return { login: String(user?.login ?? ''), teams: ours.flatMap(team => [String(team.name), String(team.slug)]) }
}

async function pages(baseUrl: string, path: string, token: string): Promise<JsonObject[]> {
  const found: JsonObject[] = []
  for (let page = 1; page <= MAX_PAGES; page++) {
    const answer = await get(new URL(`${path}?per_page=100&page=${page}`, baseUrl), token)
    const items = (Array.isArray(answer) ? answer : [answer]).filter(isObject)
    found.push(...items)
    if (!Array.isArray(answer) || items.length < 100) break
  }
  return found
}

async function get(url: URL, token: string): Promise<unknown> {
  try {
    const headers = {
      authorization: `Bearer ${token}`,
      accept: 'application/vnd.github+json',
      'user-agent': 'dev-vault',
    }
    const response = await fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT) })
    if (response.ok) return parseJson(await response.text())
    throw refuse(400, `GitHub answered ${response.status} to ${url.pathname}`)
  } catch (error) {
    if (error instanceof TypeError || error instanceof DOMException)
      throw refuse(500, `GitHub cannot be reached at ${url.origin}`)
    throw error
  }
}
