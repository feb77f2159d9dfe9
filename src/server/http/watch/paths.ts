import { ACCESS } from './access-path.ts'
import { CONFIGURE, OPTIONS, REPOSITORY } from './configure-paths.ts'
import { KEYS } from './key-paths.ts'
import { KUBERNETES } from './kubernetes-paths.ts'
import type { Path } from './path.ts'
import { REQUEST, REQUESTS } from './request-paths.ts'
import { GIT_CREDENTIAL, SSH_KEY, WEBHOOK } from './secret-paths.ts'
import { TASKS } from './task-paths.ts'
import { VIEWS } from './view-paths.ts'

/** All paths of a watch; of two that fit, the first counts. */
export const PATHS: readonly Path[] = [
  CONFIGURE,
  REPOSITORY,
  OPTIONS,
  GIT_CREDENTIAL,
  SSH_KEY,
  WEBHOOK,
  ...KEYS,
  REQUESTS,
  REQUEST,
  ACCESS,
  ...KUBERNETES,
  ...TASKS,
  ...VIEWS,
]
