import type { Secret } from '../../vault/secret.ts'

/**
 * What carries a job out once its container is created, which each kind of engine has described in its own words
 * (`Runtime.create`, `KubernetesRuntime.create`). Errors are `WritError`s of the registry (`container_refused`,
 * `runtime_unavailable` …); the engine's own text is their detail. `container` is a name or an id (`ContainerState.id`): who looked at one and acts
 * on it later names the id, because another node may have put its own in the place of that by then.
 */
export interface JobRuntime {
  /**
   * Starts the container that `create` returned and hands `files` to it, in memory from end to end. The job's own
   * command begins only after all of them arrived; if they do not, the exit code is `GATE_REFUSED`. All output from the first byte
   * on is in the attachment. `container_refused` if it was started before. `signal` ends the attachment too, but not
   * the container.
   */
  start(id: string, files: SecretFiles, signal?: AbortSignal): Promise<Attachment>

  /**
   * Of a container that was started and perhaps never got its secrets: whether the job in it began. Tells a gate that still waits that nothing
   * more comes, and waits for what it decides. False: it has not begun and never will in this container. Null: it cannot be told, or `signal`
   * ended the wait.
   */
  began(container: string, signal: AbortSignal): Promise<boolean | null>

  /**
   * The output of a container that was started before, from `cursor` on, live while it runs. Reads again from the
   * engine's recovery copy of the output, so it also works for a container that has ended. `given`: its secrets were
   * sent, by whoever started it.
   */
  attach(
    container: string,
    cursor: Cursor,
    options?: { readonly given?: boolean; readonly signal?: AbortSignal },
  ): Promise<Attachment>

  /** The container of that name, or null when there is none. */
  find(name: string, signal?: AbortSignal): Promise<ContainerState | null>

  /**
   * SIGTERM, then SIGKILL after `graceSeconds`. Resolves once asked for, not once ended; stopping what has ended is no
   * error.
   */
  stop(container: string, graceSeconds: number): Promise<void>

  /** Removes the container with its anonymous volumes, running or not. No error when there is none. */
  remove(container: string): Promise<void>

  /** Removes it only if it never was started, or is one that this process has in advance and gave no job. Says whether it is not there now. */
  removeUnstarted(container: string): Promise<boolean>

  /** All containers that carry this label, whatever their state. */
  list(label: string, value: string): Promise<ContainerState[]>
}

/** An engine that runs containers of images (Docker, Podman). */
export interface Runtime extends JobRuntime {
  /** Is the engine there? Throws `runtime_unavailable`. */
  info(signal?: AbortSignal): Promise<RuntimeInfo>

  /**
   * Makes sure that the image is on this engine and says what it holds. Pull progress goes to `onProgress`, a line
   * each. Throws `image_not_found`.
   */
  image(ref: string, policy: PullPolicy, options: ImageOptions): Promise<Image>

  /**
   * Creates, does not start. Returns the engine's id of the container. The name is the guard against a second one: null
   * when it is taken, and then nothing was changed. On any other failure no container is left behind, unless the engine
   * went away; behind the end of `signal`, the engine may be still at it, and what it makes is removed at once.
   */
  create(spec: ContainerSpec, signal?: AbortSignal): Promise<string | null>

  /** Takes away what is of ours on the engine and of no use any more. Never a container of a job. */
  tidy(): Promise<void>

  /** Takes away what these nodes, which are gone, kept on the engine for jobs to come. Never a container of a job, nor what one is using. */
  clearAfter(gone: ReadonlySet<string>): Promise<void>

  /** Closes idle connections. Streams in use end. */
  close(): Promise<void>
}

/** `Never`: what is not on the engine is not found. */
export type PullPolicy = 'IfNotPresent' | 'Always' | 'Never'

/** What an engine says of itself and the machine that it runs on. */
export interface RuntimeInfo {
  readonly engine: string
  readonly version: string
  readonly containers: {
    readonly all: number
    readonly running: number
    readonly paused: number
    readonly stopped: number
  }
  readonly images: number
  readonly memoryBytes: number
  readonly architecture: string
  readonly operatingSystem: string
}

/** Who pulls: for a registry that does not give its images to everybody. */
export interface RegistryLogin {
  readonly username: string
  readonly password: Secret
}

export interface ImageOptions {
  readonly login?: RegistryLogin
  readonly signal?: AbortSignal
  readonly onProgress?: (line: string) => void
}

export interface Image {
  /** What to create containers from. May differ from the reference: an engine may keep a prepared form of the image. */
  readonly id: string
  /** Path of the shell that hands over the secrets in it; the image's own if nothing is said. */
  readonly shell?: string
  /** `repository@sha256:…` when the engine knows one, else the id of the image as it was asked for. Goes on record. */
  readonly digest: string
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  /** `HOME` of its environment; absent: it sets none. */
  readonly home?: string | undefined
  /** `/gostint_image.yml` of the image (gostint.md §8.2), if it has one. */
  readonly metadata: string | null
}

export interface ContainerSpec {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly image: Image
  /** Entry point and arguments, resolved: what is executed once the secrets have arrived. */
  readonly argv: readonly string[]
  /** `NAME=value`. Visible to whoever may inspect containers: never put a secret here. */
  readonly env: readonly string[]
  /** Absent: the image's own. */
  readonly workingDirectory?: string | undefined
  readonly tty: boolean
  /** Whose job it is. Jobs of one may follow each other in the same network; left out: it gets one of its own. */
  readonly tenant?: string
  /** A plain, checked tar to lay over `/`. */
  readonly content?: (() => AsyncIterable<Uint8Array>) | undefined
  readonly limits: Limits
}

export interface Limits {
  readonly memoryBytes: number
  readonly pids: number
  /** Of the machine's processors; 0 or left out: all of them. */
  readonly cpus?: number
  /** The container cannot write to its file system, but for `/tmp`, which is memory. Not together with `content`. */
  readonly readOnly?: boolean
  /** `none`, `bridge` or the name of a network of the engine. */
  readonly network: string
}

/**
 * Files that exist only in the container's memory, in `SECRETS_DIRECTORY`, readable by the job alone.
 * `env` is exported into the job's environment without ever showing in the engine's description of the container.
 */
export interface SecretFiles {
  readonly files: Readonly<Record<string, Uint8Array>>
  readonly env: Readonly<Record<string, string>>
}

/**
 * Where `SecretFiles` land; `/secrets.yml` and `/secrets.json` of every container are links into it (gostint.md §8.3).
 */
export const SECRETS_DIRECTORY = '/run/writ'

/** Exit code of a container whose secrets did not arrive: nothing of its job ran. A job may end with it too. */
export const GATE_REFUSED = 125

export type OutputStream = 'stdout' | 'stderr'

/**
 * A piece of output, live byte for byte as the job wrote it. An engine's recovery copy may be poorer: Docker's has U+FFFD for
 * each byte that is not UTF-8. So positions are counted in the copy, which both sources can do.
 */
export interface OutputFrame {
  readonly stream: OutputStream
  readonly data: Uint8Array
  /**
   * How far the cursor moves for the first `bytes` of `data`, which must not end inside a character of UTF-8. Absent: as far
   * as there are bytes. A frame itself never ends inside a character.
   */
  readonly advance?: (bytes: number) => number
}

/** Said by the engine and not by the job, among its output. Has no position: whoever takes over may hear it again. */
export interface SystemLine {
  readonly stream: 'system'
  readonly data: Uint8Array
  /** Some of the output may be missing here. */
  readonly gap?: true
}

/** How far each stream is dealt with, in bytes of the recovery copy: the sum of what frames advanced. */
export interface Cursor {
  readonly stdout: number
  readonly stderr: number
}

export interface Attachment {
  /**
   * Ends when the job's output has ended. With a tty everything is `stdout`. Iterate it once; a slow reader slows the
   * job.
   */
  readonly output: AsyncIterable<OutputFrame | SystemLine>
  /**
   * Settles after the container has ended. Rejects with `container_lost` or `runtime_unavailable` if that cannot be
   * known.
   */
  readonly exit: Promise<Exit>
  /** Bytes of the engine's disk that its copy of the output takes, from the first on, as far as `output` came. Absent: the engine itself bounds it. */
  readonly recorded?: () => number
}

export interface Exit {
  readonly code: number
  readonly outOfMemory: boolean
  /** The engine itself has stopped it, at the deadline that it was given. */
  readonly late?: boolean
  /** The engine was away meanwhile, and the code may be what it says of an end that it did not see. */
  readonly uncertain?: boolean
}

export interface ContainerState {
  readonly name: string
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly phase: 'created' | 'running' | 'exited'
  readonly exit: Exit | null
}
