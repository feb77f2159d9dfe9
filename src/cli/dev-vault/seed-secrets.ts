/** Where a kv engine is, `/` at its end. */
export interface Mount {
  readonly path: string
  readonly version: '1' | '2'
}

/** The version of the kv engine that a mount makes; nothing for other engines. */
export function versionOf({ type, options }: Readonly<Record<string, unknown>>): Mount['version'] | undefined {
  if (type === 'kv-v2') return '2'
  if (type !== 'kv' && type !== 'kv-v1') return undefined
  const version = typeof options === 'object' && options !== null && 'version' in options ? options.version : '1'
  return String(version) === '2' ? '2' : '1'
}

/** The write that puts a secret where `kv put` would: in version 2 below `data/`. Nothing when no kv engine is there. */
export function secretWrite(path: string, data: Readonly<Record<string, unknown>>, mounts: readonly Mount[]) {
  const mount = mounts.find(candidate => path.startsWith(candidate.path) && path.length > candidate.path.length)
  if (!mount) return undefined
  return mount.version === '2'
    ? { path: `${mount.path}data/${path.slice(mount.path.length)}`, data: { data } }
    : { path, data }
}
