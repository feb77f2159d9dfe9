import { WritError } from '../../../protocol/errors.ts'
import { SECRETS_DIRECTORY, type SecretFiles } from '../runtime.ts'
import { smallTar } from './small-tar.ts'

export const JOB_USER = 2001

/** Room for the secrets in the container's memory. */
const TMPFS_BYTES = 8 * 1024 * 1024
const SECRETS_BYTES = 4 * 1024 * 1024

/** In the container's own layer, so unlike the secrets it outlives a stop: written by the first start. */
export const STARTED_FILE = '/.writ-started'

const ENVIRONMENT = '.environment'
const COMPLETE = '.complete'
const ENVIRONMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

const BEFORE = `
refuse() { echo "writ: $1; the job was not run" >&2; exit 125; }
[ -s ${STARTED_FILE} ] && refuse 'this container was started before'
echo started >${STARTED_FILE} || refuse 'the start cannot be noted'
command -v tar >/dev/null || refuse 'the image has no tar'
`
const UNPACK = `tar -x -f - -C ${SECRETS_DIRECTORY}`
/**
 * With a terminal, standard input would echo the secrets into the output; they come beside it, so here it only waits.
 */
const AWAIT = `
tries=0
until [ -f ${SECRETS_DIRECTORY}/${COMPLETE} ] || [ $tries -ge 600 ]; do
  sleep 0.05 2>/dev/null || sleep 1
  tries=$((tries + 1))
done
`
const AFTER = `
[ -f ${SECRETS_DIRECTORY}/${COMPLETE} ] || refuse 'the secrets did not arrive completely'
. ${SECRETS_DIRECTORY}/${ENVIRONMENT}
rm -f ${SECRETS_DIRECTORY}/${ENVIRONMENT} ${SECRETS_DIRECTORY}/${COMPLETE} || refuse 'the image has no rm'
`

/**
 * What runs in the container before the job: unpacks the secrets from standard input into memory, and becomes the job
 * only if the last file of all is there. Our death in the middle looks like a normal end of input to it, so that file
 * is the only proof. A container that already ran is refused, because the engine would gladly start it a second time.
 */
export function gateEntrypoint(tty: boolean): string[] {
  const script = tty
    ? `${BEFORE}${AWAIT}${AFTER}unset tries; exec "$@"`
    : `${BEFORE}${UNPACK} 2>/dev/null\n${AFTER}exec "$@" </dev/null`
  return ['/bin/sh', '-c', script, 'writ']
}

/** What unpacks the secrets beside the terminal of a running container. */
export const UNPACK_COMMAND = ['/bin/sh', '-c', `exec ${UNPACK}`]

export const SECRETS_TMPFS = {
  [SECRETS_DIRECTORY]: `rw,noexec,nosuid,nodev,size=${TMPFS_BYTES},mode=0700,uid=${JOB_USER},gid=${JOB_USER}`,
}

/** `secrets` as the gate wants them. The order matters: the proof of completeness comes last. */
export async function secretTar({ files, env }: SecretFiles): Promise<Buffer> {
  const owned = { uid: JOB_USER, gid: JOB_USER, mode: 0o444 }
  const tar = await smallTar([
    ...Object.entries(files).map(([name, data]) => ({ ...owned, name, data })),
    { ...owned, name: ENVIRONMENT, data: shellExports(env) },
    { ...owned, name: COMPLETE },
  ])
  if (tar.length > SECRETS_BYTES) throw new WritError('container_refused', 'the secrets are larger than 4 MiB together')
  return tar
}

/**
 * Single quotes stop every expansion of the shell, so only they themselves need care; newlines are plain text in them.
 */
export function shellExports(env: Readonly<Record<string, string>>): string {
  return Object.entries(env)
    .map(([name, value]) => {
      if (!ENVIRONMENT_NAME.test(name)) throw new WritError('env_var_invalid', 'a name that no shell can export')
      if (value.includes('\0')) throw new WritError('env_var_invalid', `${name} has a NUL byte`)
      return `export ${name}='${value.replaceAll("'", "'\\''")}'\n`
    })
    .join('')
}
