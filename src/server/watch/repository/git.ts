import { type ChildProcess, spawn } from 'node:child_process'
import { WritError } from '../../../protocol/errors.ts'

/** What no setting of a machine, a user or a repository may change. Not secret: it is on the command line. */
const HARDENED = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.commitGraph=false',
  'core.askPass=',
  'core.attributesFile=/dev/null',
  'core.protectHFS=true',
  'core.protectNTFS=true',
  'credential.helper=',
  'safe.bareRepository=explicit',
  'protocol.version=2',
  'http.followRedirects=false',
  'http.sslVerify=true',
  'http.lowSpeedLimit=100',
  'http.lowSpeedTime=30',
  'transfer.fsckObjects=true',
  'fetch.fsckObjects=true',
  // Old faults that old tools made, and that no reading of an object depends on.
  'fetch.fsck.zeroPaddedFilemode=ignore',
  'fetch.fsck.badTimezone=ignore',
  'fetch.fsck.missingSpaceBeforeDate=ignore',
  // Packs stay packs: thousands of small files would make the look at the size of the cache slow.
  'fetch.unpackLimit=1',
  'fetch.recurseSubmodules=false',
  'fetch.writeCommitGraph=false',
  'transfer.bundleURI=false',
  'transfer.credentialsInUrl=die',
  'submodule.recurse=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'pack.threads=1',
].flatMap(setting => ['-c', setting])

const ERROR_BYTES = 64 * 1024

export interface GitRun {
  /** Bare repository to work in; undefined only to make one. */
  readonly directory: string | undefined
  readonly args: readonly string[]
  /** On top of the common environment. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  readonly input?: Uint8Array | undefined
  readonly timeoutMs: number
  /** Above it, git is killed. */
  readonly maxBytes?: number
  readonly signal?: AbortSignal | undefined
}

export interface GitResult {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

/**
 * git, without a shell, in an environment made from nothing, in its own process group that is killed as a whole. A code
 * other than 0 is the caller's to judge; `repository_unreachable` when it cannot be started or takes too long,
 * `repository_too_large` when it says more than `maxBytes`.
 */
export async function git(run: GitRun): Promise<GitResult> {
  const { input, timeoutMs, maxBytes = 1024 * 1024, signal } = run
  const child = startGit(run, input ? 'pipe' : 'ignore')
  child.stdin?.on('error', () => undefined) // it ended: its code says why
  child.stdin?.end(input)
  const stdout: Buffer[] = []
  let bytes = 0
  let errors = ''
  let failure: WritError | undefined
  const stop = (error: WritError) => {
    failure ??= error
    killGroup(child)
  }
  child.stdout?.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > maxBytes) stop(new WritError('repository_too_large', 'git says more than is read'))
    else stdout.push(chunk)
  })
  child.stderr?.setEncoding('latin1').on('data', (chunk: string) => {
    if (errors.length < ERROR_BYTES) errors += chunk
  })
  const timer = setTimeout(() => stop(new WritError('repository_unreachable', 'it takes too long')), timeoutMs)
  const aborted = () => stop(new WritError('repository_unreachable', 'interrupted', { cause: signal?.reason }))
  signal?.addEventListener('abort', aborted)
  if (signal?.aborted) aborted()
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    if (failure) throw failure
    return { code, stdout: Buffer.concat(stdout), stderr: errors }
  } catch (error) {
    if (error instanceof WritError) throw error
    throw new WritError('repository_unreachable', 'git cannot be started', { cause: error })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', aborted)
  }
}

export function startGit(
  run: Pick<GitRun, 'directory' | 'args' | 'environment'>,
  stdin: 'ignore' | 'pipe',
): ChildProcess {
  const where = run.directory === undefined ? [] : [`--git-dir=${run.directory}`]
  return spawn('git', ['--no-replace-objects', '--no-pager', ...HARDENED, ...where, ...run.args], {
    cwd: '/',
    env: { ...ENVIRONMENT, ...run.environment },
    stdio: [stdin, 'pipe', 'pipe'],
    detached: true,
  })
}

/** With its helpers (git-remote-https, ssh, index-pack), which would live on. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // it has ended
  }
}

const ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  HOME: '/nonexistent',
  XDG_CONFIG_HOME: '/nonexistent',
  LC_ALL: 'C',
  TZ: 'UTC',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_SYSTEM: '/dev/null',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_NO_LAZY_FETCH: '1',
  GIT_GRAFT_FILE: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_PROTOCOL_FROM_USER: '0',
  // Overridden for the one protocol of a repository's address.
  GIT_ALLOW_PROTOCOL: '',
  // No single allocation above this: a delta of 1 KB can claim an object of gigabytes.
  GIT_ALLOC_LIMIT: '512m',
}
