import { readFile } from 'node:fs/promises'
import { GateClient } from '../../client/gate.ts'
import { lineOf } from '../../server/gate/policies/lines.ts'
import { type Grant, match } from '../../server/gate/policies/match.ts'
import { readPolicies, where } from '../../server/gate/policies/read.ts'
import { Secret } from '../../vault/secret.ts'
import { checkAddress, clientSettings, findToken, MISSING, readCa, vaultOf } from '../client-settings.ts'
import { EXIT, UsageError } from '../failure.ts'
import { printJson, printTable, progress } from '../print.ts'

export interface GateOptions {
  readonly gate?: string
  readonly json?: boolean
}

async function client({ gate }: GateOptions): Promise<GateClient> {
  const address = gate ?? (process.env.GATEKEEPER_ADDR || 'http://localhost:9201')
  const ca = await readCa(await clientSettings(), 'server_ca')
  if (address.startsWith('/')) return new GateClient({ gate: 'http://localhost', socket: address })
  checkAddress(gate === undefined ? 'GATEKEEPER_ADDR' : '--gate', address)
  return new GateClient({ gate: address, ca })
}

async function using<T>(options: GateOptions, use: (gate: GateClient) => Promise<T>): Promise<T> {
  const gate = await client(options)
  try {
    return await use(gate)
  } finally {
    await gate.close()
  }
}

/** `writ token`: the token of this task, on stdout; nothing else ever is. */
export async function token(
  task: string | undefined,
  options: GateOptions & { scheduler?: string; role?: string; proofFile?: string },
): Promise<number> {
  // Marathon calls it so, Chronos in small letters
  const { MESOS_TASK_ID, mesos_task_id } = process.env
  const id = task ?? (MESOS_TASK_ID || mesos_task_id)
  if (!id) throw new UsageError('No task id provided.', 'name it, or set MESOS_TASK_ID')
  const settings = await clientSettings()
  const { vault: address } = settings
  if (!address) throw new UsageError(MISSING.vault, 'The token is opened there, and not by the gate.')
  const vault = await vaultOf(settings, address)
  try {
    const proof = options.proofFile ? new Secret((await readFile(options.proofFile, 'utf8')).trim()) : undefined
    const { scheduler, role } = options
    const found = await using(options, gate => gate.token(vault, { id, scheduler, role, proof }))
    if (options.json) printJson({ token: found.reveal() })
    else process.stdout.write(`${found.reveal()}\n`)
    return EXIT.ok
  } finally {
    await vault.close()
  }
}

/** `writ status`: 0 while tokens are issued, 1 while not. */
export async function status(options: GateOptions): Promise<number> {
  const found = await using(options, gate => gate.status())
  if (options.json) printJson(found)
  else {
    const { stats, ...rest } = found
    const rows = Object.entries({ ...rest, ...Object(stats) }).map(([key, value]) => [key, shown(value)])
    printTable(rows)
  }
  return found.status === 'Unsealed' ? EXIT.ok : EXIT.failed
}

function shown(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value ?? '')
}

export async function seal(options: GateOptions): Promise<number> {
  return await tell(options, async gate => await gate.seal(await findToken()))
}

export async function reload(options: GateOptions): Promise<number> {
  return await tell(options, async gate => await gate.reload(await findToken()))
}

/** `writ unseal METHOD`: its fields as NAME=value; a secret from standard input as NAME=-, so that no list of processes shows it. */
export async function unseal(method: string, fields: readonly string[], options: GateOptions): Promise<number> {
  const pairs = await readFields(fields)
  if (method === 'token' && !pairs.token) pairs.token = (await findToken())?.reveal() ?? ''
  const proof = ['aws', 'aws-ec2', 'cert', 'tls'].includes(method) ? await findToken() : null
  return await tell(options, async gate => await gate.unseal({ type: method, ...pairs }, proof))
}

async function readFields(fields: readonly string[]): Promise<Record<string, string>> {
  const pairs: Record<string, string> = {}
  let piped = ''
  for (const field of fields) {
    const [, name, value] = /^([a-z_]+)=([\s\S]*)$/.exec(field) ?? []
    if (name === undefined || value === undefined)
      throw new UsageError('a field is NAME=value, or NAME=- for standard input')
    if (Object.hasOwn(pairs, name)) throw new UsageError(`${name} is there twice`, 'Leave one of them out.')
    if (value === '-' && piped)
      throw new UsageError(
        `${piped} and ${name} cannot both be standard input`,
        'Give the one that is no secret as NAME=value.',
      )
    if (value === '-') piped = name
    pairs[name] = value
  }
  if (piped) pairs[piped] = (await readStdin()).trim()
  return pairs
}

async function readStdin(): Promise<string> {
  const { text } = await import('node:stream/consumers')
  return await text(process.stdin)
}

async function tell(options: GateOptions, action: (gate: GateClient) => Promise<string>): Promise<number> {
  const message = await using(options, action)
  if (options.json) printJson({ message })
  else progress(message)
  return EXIT.ok
}

/** `writ policy check FILE [TASK]`: is the document good, and which policy would a task of this name get? */
export async function policyCheck(
  file: string,
  task: string | undefined,
  options: GateOptions & { scheduler: string; group?: string },
): Promise<number> {
  const text = await readFile(file, 'utf8').catch(error => {
    throw new UsageError(`${file} cannot be read (${error.code})`)
  })
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${(error as Error).message}`)
  }
  const { set, problems } = readPolicies(document, { renewable: true })
  if (!set) {
    const found = problems.map(problem => ({ line: lineOf(text, problem), problem: where(problem) + problem.text }))
    if (options.json) printJson({ problems: found })
    else for (const { line, problem } of found) process.stdout.write(`${file}:${line}: ${problem}\n`)
    return EXIT.failed
  }
  if (task === undefined) {
    if (options.json) printJson({ policies: set.entries.size })
    else progress(`${set.entries.size} policies, all good`)
    return EXIT.ok
  }
  const { scheduler, group } = options
  const grant = match(set, { scheduler, name: task, group })
  if (options.json) printJson(grant)
  else process.stdout.write(`${describe(grant)}\n`)
  return EXIT.ok
}

function describe(grant: Grant): string {
  const rule = grant.pattern === '' ? 'no pattern: the built-in policy' : `pattern ${JSON.stringify(grant.pattern)}`
  if (grant.kind === 'role') return `${rule}: roles ${grant.roles.join(', ')}, ${grant.fetches} times`
  const { policies, ttl, fetches } = grant.policy
  return `${rule}: policies ${policies.join(', ')}, ttl ${ttl} s, ${fetches} times`
}
