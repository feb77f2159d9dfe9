import { WritError } from '../../../protocol/errors.ts'
import { GATE_REFUSED, SECRETS_DIRECTORY, type SecretFiles } from '../runtime.ts'
import { smallTar } from './small-tar.ts'

export const JOB_USER = 2001

/** Room for the secrets in the container's memory. */
const TMPFS_BYTES = 8 * 1024 * 1024
const SECRETS_BYTES = 4 * 1024 * 1024

/** What a prepared image has of ours: a folder of root's, of which a job may change nothing but `STARTED_FILE`. */
export const GATE_DIRECTORY = '/.writ'
/** Must be called so: busybox chooses what it is by its name. */
export const GATE_SHELL = `${GATE_DIRECTORY}/busybox`
/** The shell of an image, where there is no busybox to give it. */
export const IMAGE_SHELL = '/bin/sh'
/** Links to it, for a busybox that runs none of its programs by itself. */
export const GATE_TOOLS = ['tar', 'rm', 'sleep']
/** A folder of its own, so that it can be a volume where the rest cannot be written to. */
export const STATE_DIRECTORY = `${GATE_DIRECTORY}/state`
/** On the container's disk, so unlike the secrets it outlives a stop: written by the first start, and again when the job begins. */
export const STARTED_FILE = `${STATE_DIRECTORY}/started`
/** What is in it while the gate waits for the secrets, and for ever if it refused. */
export const WAITING = 'waiting'
/** What is in it afterwards. */
export const BEGUN = 'begun'

const ENVIRONMENT = '.environment'
const COMPLETE = '.complete'
/** What tar-stream puts behind the last file, as POSIX says. */
const END_OF_ARCHIVE = 1024
/**
 * What we put there instead: no header. At the proper end busybox reads on until the input ends, of which it hears by way of the engine, its containerd
 * and its shim, 2.5 ms after the last byte; from this it goes at once. (GNU tar does not: it looks for another header until the input ends.) How `tar` ends
 * is not asked, the last file is the proof.
 */
const NO_HEADER = Buffer.alloc(512, 'end ')
export const ENVIRONMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

const BEFORE = `
refuse() { echo "writ: $1; the job was not run" >&2; exit ${GATE_REFUSED}; }
[ -s ${STARTED_FILE} ] && refuse 'this container was started before'
echo ${WAITING} >${STARTED_FILE} || refuse 'the start cannot be noted'
`
/**
 * With a terminal, standard input would echo the secrets into the output; they come beside it, so here it only waits.
 */
const awaited = (sleep: string) => `
__writ=0
until [ -f ${SECRETS_DIRECTORY}/${COMPLETE} ] || [ $__writ -ge 600 ]; do
  ${sleep} 0.05 2>/dev/null || ${sleep} 1
  __writ=$((__writ + 1))
done
unset __writ
`
const after = (rm: string) => `
[ -f ${SECRETS_DIRECTORY}/${COMPLETE} ] || refuse 'the secrets did not arrive completely'
. ${SECRETS_DIRECTORY}/${ENVIRONMENT}
${rm} -f ${SECRETS_DIRECTORY}/${ENVIRONMENT} ${SECRETS_DIRECTORY}/${COMPLETE} || refuse 'the image has no rm'
echo ${BEGUN} >${STARTED_FILE} || refuse 'the start cannot be noted'
`
/**
 * Our shell would take a command without a slash for one of its own, so what the image has of that name is looked up;
 * the program still sees the name that it was called by.
 */
const LOOK_UP = `
case "$1" in
*/*) ;;
*)
  __writ=
  set -f
  IFS=:
  for __writ_folder in \${PATH-/sbin:/usr/sbin:/bin:/usr/bin}; do
    [ -f "\${__writ_folder:-.}/$1" ] && [ -x "\${__writ_folder:-.}/$1" ] || continue
    __writ=\${__writ_folder:-.}/$1
    break
  done
  unset IFS __writ_folder
  set +f
  [ "$__writ" ] || { echo "writ: $1: not found" >&2; exit 127; }
  __writ_name=$1
  shift
  set -- -a "$__writ_name" "$__writ" "$@"
  unset __writ __writ_name
esac
`

/**
 * What runs in the container before the job: unpacks the secrets from standard input into memory, and becomes the job
 * only if the last file of all is there. Our death in the middle looks like a normal end of input to it, so that file
 * is the only proof. A container that already ran is refused, because the engine would gladly start it a second time.
 */
export function gateEntrypoint(shell: string, tty: boolean): string[] {
  const ours = shell === GATE_SHELL
  const tool = (name: string) => (ours ? ourTool(name) : name)
  const arrive = tty ? awaited(tool('sleep')) : `${unpack(tool('tar'))} 2>/dev/null\n`
  const input = tty ? '' : ' </dev/null'
  const script = `${BEFORE}${arrive}${after(tool('rm'))}${ours ? LOOK_UP : ''}exec "$@"${input}`
  return [...(ours ? [GATE_SHELL, 'sh'] : [shell]), '-c', script, 'writ']
}

/** What unpacks the secrets beside the terminal of a running container with that entry point. */
export function unpackCommand([shell = '']: readonly string[]): string[] {
  const [program, tar] = shell === GATE_SHELL ? [[GATE_SHELL, 'sh'], ourTool('tar')] : [[shell], 'tar']
  return [...program, '-c', unpack(tar)]
}

/**
 * In our shell, where it can (`FEATURE_SH_STANDALONE` of busybox, as Debian builds it), which takes 0.4 ms where a program that is executed takes
 * 1.5; in any other it is one of the links beside it, and never what the job's `PATH` has of this name.
 */
function ourTool(name: string): string {
  return `PATH=${GATE_DIRECTORY} ${name}`
}

function unpack(tar: string): string {
  return `${tar} -x -f - -C ${SECRETS_DIRECTORY}`
}

const TMPFS = `rw,noexec,nosuid,nodev,size=${TMPFS_BYTES}`
export const SECRETS_TMPFS = { [SECRETS_DIRECTORY]: `${TMPFS},mode=0700,uid=${JOB_USER},gid=${JOB_USER}` }
/** For Podman 4.3, which cannot say whose it is. Nobody but the job's user runs in the container. */
export const OPEN_SECRETS_TMPFS = { [SECRETS_DIRECTORY]: `${TMPFS},mode=1777` }

/** What a gate that was started in advance is told with the secrets. */
export interface LateOrder {
  readonly argv: readonly string[]
  /** `NAME=value` */
  readonly env: readonly string[]
}

/** `secrets` as the gate wants them. The order matters: the proof of completeness comes last, and behind it what sends `tar` away. */
export async function secretTar({ files, env }: SecretFiles, late?: LateOrder): Promise<Buffer> {
  const owned = { uid: JOB_USER, gid: JOB_USER, mode: 0o444 }
  const tar = await smallTar([
    ...Object.entries(files).map(([name, data]) => ({ ...owned, name, data })),
    { ...owned, name: ENVIRONMENT, data: `${lateOrder(late)}${shellExports(env)}` },
    { ...owned, name: COMPLETE },
  ])
  if (tar.length > SECRETS_BYTES) throw new WritError('container_refused', 'the secrets are larger than 4 MiB together')
  return Buffer.concat([tar.subarray(0, -END_OF_ARCHIVE), NO_HEADER])
}

/** The variables of the job first: as in a container that was made for it, the secrets' come after them. */
function lateOrder(late: LateOrder | undefined): string {
  if (!late) return ''
  const pairs = late.env.map(item => [item.slice(0, item.indexOf('=')), item.slice(item.indexOf('=') + 1)] as const)
  if (late.argv.some(arg => arg.includes('\0'))) throw new WritError('container_refused', 'a command with a NUL byte')
  return `${shellExports(Object.fromEntries(pairs))}set -- ${late.argv.map(quoted).join(' ')}\n`
}

/**
 * Single quotes stop every expansion of the shell, so only they themselves need care; newlines are plain text in them.
 */
export function shellExports(env: Readonly<Record<string, string>>): string {
  return Object.entries(env)
    .map(([name, value]) => {
      if (!ENVIRONMENT_NAME.test(name)) throw new WritError('env_var_invalid', 'a name that no shell can export')
      if (value.includes('\0')) throw new WritError('env_var_invalid', `${name} has a NUL byte`)
      return `export ${name}=${quoted(value)}\n`
    })
    .join('')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
