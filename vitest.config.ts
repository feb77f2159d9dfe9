import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    globalSetup: './test/postgres.ts',
    reporters: ['default', './test/summary-reporter.ts'],
    // against hanging only: no test is about time
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{src,scripts,test}/**/*.test.ts'],
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // whole systems with real containers: not beside the unit tests
        extends: true,
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts'],
          testTimeout: 120_000,
          // a real Vault is one for all files, and some count its tokens
          maxWorkers: process.env.WRIT_TEST_VAULT_ADDR ? 1 : 3,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
