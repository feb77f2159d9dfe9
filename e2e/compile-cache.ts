import { resolve } from 'node:path'

/** For programs that tests start from source: what was compiled once is not compiled again, which is half of a short one's time. */
export const COMPILE_CACHE = { NODE_COMPILE_CACHE: resolve('.writ/compile-cache') }
