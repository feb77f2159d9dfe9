import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/**
 * A file in the home of whoever calls. None where HOME is empty or relative, as in some cron jobs and containers: the attack is a folder
 * with a `.config/writ/config.yaml` in it, of an archive or a clone, which would say where the Vault token goes.
 */
export function homeFile(...parts: readonly string[]): string | null {
  const home = homedir()
  return isAbsolute(home) ? join(home, ...parts) : null
}
