import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { WritError } from '../../../protocol/errors.ts'

export interface SignOptions {
  /** Somebody's own clone, with their own configuration and credentials. */
  readonly directory: string
  /** Default: origin. */
  readonly remote?: string
  /** 40 digits of a commit or tag, or 64 of the digest of a plan. */
  readonly subject: string
  /** Instead of git's `user.signingkey`: for gpg a key id or address, for ssh a file. */
  readonly key?: string | undefined
  /** Made elsewhere by `lineCommand`; then nothing is signed here. */
  readonly line?: string | undefined
  readonly environment?: NodeJS.ProcessEnv | undefined
}

export interface Signed {
  /** What was added: one line of the note. */
  readonly line: string
  /** Where it lies in the tree of `refs/tags/latest-signature`. */
  readonly path: string
  /** How often somebody else was faster. */
  readonly retries: number
}

const REF = 'refs/tags/latest-signature'
const FETCHED = 'refs/writ/signing'
const TRIES = 10

/**
 * Signs with the gpg or ssh key that git is configured for (gpg.format, gpg.program, user.signingkey), appends the line
 * to the note and pushes it. Nobody else's line is lost: the push is refused by the server if the ref moved meanwhile,
 * and then it is fetched and appended to again. `signature_not_pushed`, and then nothing was changed.
 */
export async function sign(options: SignOptions): Promise<Signed> {
  const { subject } = options
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(subject)) throw failed('not an id')
  const line = options.line?.trim() ?? (await signatureLine(options))
  if (!/^[A-Za-z0-9+/]+=*$/.test(line)) throw failed('the signature is not base64 on one line')
  for (let retries = 0; retries < TRIES; retries++) {
    const before = await fetched(options)
    const path = await notePath(options, before, subject)
    const after = await appended(options, before, path, line)
    if (await pushed(options, before, after)) return { line, path, retries }
    await sleep(Math.random() * 100 * (retries + 1))
  }
  throw failed('somebody else was faster each time')
}

/** The commit that an object of a clone stands for: itself, or what the tag names; undefined if it is not there. */
export async function commitOfObject(directory: string, object: string): Promise<string | undefined> {
  if (!/^[0-9a-f]{40}$/.test(object)) return undefined
  const { code, stdout } = await git({ directory, subject: object }, [
    'rev-parse',
    '--verify',
    '--quiet',
    `${object}^{commit}`,
  ])
  return code === 0 ? stdout.toString().trim() : undefined
}

/** For who keeps the key on another machine: makes the line there, to be handed to `sign`. */
export function lineCommand(subject: string): string {
  return `printf %s ${subject} | gpg --detach-sign | base64 -w0`
}

async function signatureLine(options: SignOptions): Promise<string> {
  const config = async (name: string) =>
    (await git(options, ['config', '--get', name])).stdout.toString().trim() || undefined
  const key = options.key ?? (await config('user.signingkey'))
  if ((await config('gpg.format')) === 'ssh') {
    if (!key) throw failed('git has no user.signingkey')
    const program = (await config('gpg.ssh.program')) ?? 'ssh-keygen'
    const { code, stdout, stderr } = await run(
      options,
      program,
      ['-Y', 'sign', '-n', 'git', '-f', key],
      options.subject,
    )
    if (code !== 0) throw failed(`${program}: ${stderr}`)
    return stdout.toString().replaceAll(/-----.*-----|\s/g, '')
  }
  const program = (await config('gpg.program')) ?? 'gpg'
  const who = key ? ['--local-user', key] : []
  const { code, stdout, stderr } = await run(
    options,
    program,
    [...who, '--detach-sign', '--output', '-'],
    options.subject,
  )
  if (code !== 0) throw failed(`${program}: ${stderr}`)
  return stdout.toString('base64')
}

/** What the server's ref names; undefined when it is not there. */
async function fetched(options: SignOptions): Promise<string | undefined> {
  const { remote = 'origin' } = options
  const listing = await must(options, ['ls-remote', '--', remote, REF])
  const there = listing
    .split('\n')
    .find(line => line.endsWith(`\t${REF}`))
    ?.split('\t')[0]
  if (there === undefined) return undefined
  await must(options, ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--', remote, `+${REF}:${FETCHED}`])
  return await must(options, ['rev-parse', '--verify', FETCHED])
}

/** Where a note for it lies already, or where it belongs among the others. */
async function notePath(options: SignOptions, before: string | undefined, subject: string): Promise<string> {
  if (before === undefined) return subject
  const names = (await must(options, ['ls-tree', '-r', '--name-only', before])).split('\n')
  const places = names.filter(name => name.replaceAll('/', '') === subject && /^([0-9a-f]{2}\/)*[0-9a-f]+$/.test(name))
  // Readers take the first from the root on.
  const [first] = places.sort((a, b) => a.length - b.length)
  const fansOut = names.some(name => /^[0-9a-f]{2}\//.test(name))
  return first ?? (fansOut ? `${subject.slice(0, 2)}/${subject.slice(2)}` : subject)
}

/** A commit after `before` that has one line more; nothing in the clone's own index or folder changes. */
async function appended(options: SignOptions, before: string | undefined, path: string, line: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'writ-sign-'))
  const environment = { ...(options.environment ?? process.env), GIT_INDEX_FILE: join(folder, 'index') }
  const own = { ...options, environment }
  try {
    const old = before === undefined ? undefined : await git(own, ['cat-file', 'blob', `${before}:${path}`])
    const note = old?.code === 0 ? old.stdout.toString('latin1').replace(/([^\n])$/, '$1\n') : ''
    const blob = await must(own, ['hash-object', '-w', '--stdin'], Buffer.from(`${note}${line}\n`, 'latin1'))
    await must(own, before === undefined ? ['read-tree', '--empty'] : ['read-tree', before])
    await must(own, ['update-index', '--add', '--cacheinfo', `100644,${blob},${path}`])
    const tree = await must(own, ['write-tree'])
    const parent = before === undefined ? [] : ['-p', await must(own, ['rev-parse', '--verify', `${before}^{commit}`])]
    return await must(own, ['commit-tree', '--no-gpg-sign', ...parent, '-m', `Signature of ${options.subject}`, tree])
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** False when somebody else was faster. */
async function pushed(options: SignOptions, before: string | undefined, after: string): Promise<boolean> {
  const { remote = 'origin' } = options
  const args = ['push', '--quiet', `--force-with-lease=${REF}:${before ?? ''}`, '--', remote, `${after}:${REF}`]
  const { code, stderr } = await git(options, args)
  if (code === 0) return true
  if (
    /stale info|cannot lock ref|failed to update ref|remote rejected.*(lock|exists)|reference already exists/i.test(
      stderr,
    )
  )
    return false
  throw failed(stderr)
}

interface Ran {
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
}

async function must(options: SignOptions, args: readonly string[], input?: Buffer): Promise<string> {
  const { code, stdout, stderr } = await git(options, args, input)
  if (code !== 0) throw failed(stderr)
  return stdout.toString().trim()
}

function git(options: SignOptions, args: readonly string[], input?: Buffer): Promise<Ran> {
  return run(options, 'git', args, input)
}

function run(
  { directory, environment }: SignOptions,
  program: string,
  args: readonly string[],
  input: Buffer | string = '',
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const settings = {
      cwd: directory,
      env: environment ?? process.env,
      encoding: 'buffer',
      maxBuffer: 64 * 1024 ** 2,
    } as const
    const child = execFile(program, [...args], settings, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(failed(`${program} cannot be run`))
      else resolve({ code: (error?.code as number | undefined) ?? 0, stdout, stderr: stderr.toString() })
    })
    child.stdin?.on('error', () => undefined) // it ended without reading
    child.stdin?.end(input)
  })
}

function failed(why: string): WritError {
  return new WritError(
    'signature_not_pushed',
    why
      .trim()
      .replaceAll(/[^\x20-\x7e]+/g, ' ')
      .slice(0, 300),
  )
}
