import { type ErrorCode, WritError } from '../../../protocol/errors.ts'

/** In this order: the first that fits. The words are those of git 2.39 to 2.5x, curl with GnuTLS or OpenSSL, and OpenSSH. */
const MEANINGS: readonly (readonly [RegExp, ErrorCode])[] = [
  [/mismatched algorithms|object.format|unknown hash|hash algorithm/i, 'repository_unsupported'],
  [/shallow/i, 'repository_unsupported'],
  [/host key|REMOTE HOST IDENTIFICATION|no matching host key/i, 'repository_host_unknown'],
  [
    /certificate|SSL: no alternative|SSL peer|CAfile|cafile|set certificate verify locations/i,
    'repository_host_unknown',
  ],
  [/couldn't find remote ref|no such remote ref/i, 'repository_branch_missing'],
  [/Out of memory|memory limit|attempting to allocate/i, 'repository_too_large'],
  [
    /fsck|index-pack|bad object|missing (blob|tree|commit)|invalid (index|object)|did not send all|corrupt|inflate/i,
    'repository_damaged',
  ],
  [/permission denied|authentication|could not read (username|password)|access denied/i, 'repository_refused'],
  [/error: 40[134]\b|not found|does not (exist|appear)|not a git repository|dubious ownership/i, 'repository_refused'],
]

/** What git's complaint means. Its text is a detail for people, with `secrets` and control characters taken out. */
export function remoteError(stderr: string, secrets: readonly string[]): WritError {
  const code = MEANINGS.find(([words]) => words.test(stderr))?.[1] ?? 'repository_unreachable'
  return new WritError(code, excerpt(stderr, secrets))
}

function excerpt(stderr: string, secrets: readonly string[]): string | undefined {
  let text = stderr
  for (const secret of secrets) if (secret) text = text.replaceAll(secret, '[secret]')
  const lines = text.split(/[\r\n]+/).map(line => line.replaceAll(/[^\x20-\x7e]/g, '?').trim())
  const telling = lines.filter(line => /^(fatal|error|remote|ssh|@)/i.test(line) && !/@{5}/.test(line))
  return (telling.length > 0 ? telling : lines.filter(Boolean)).slice(0, 3).join('; ').slice(0, 300) || undefined
}
