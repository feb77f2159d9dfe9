import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Terminal } from './command.ts'
import { tagImage } from './engine.ts'
import { type ServerProcess, type Stack, startStack } from './stack.ts'

const run = promisify(execFile)
const REQUESTOR_POLICY = 'sys/policies/acl/writ-requestor'

let stack: Stack
let server: ServerProcess
let terminal: Terminal
let environment: Record<string, string>

beforeAll(async () => {
  stack = await startStack()
  server = await stack.startServer()
  await tagImage(stack.image, 'busybox')
  environment = stack.environment(server.address)
  terminal = await Terminal.open(environment)
  await allowTransitKey('my-outputs')
})
afterAll(() => stack.close())

/** As whoever administers Vault does for requestors. */
async function allowTransitKey(name: string): Promise<void> {
  const as = { token: stack.root }
  await stack.vault.send({ ...as, method: 'POST', path: `transit/keys/${name}`, body: {} })
  const before = await stack.vault.send({ ...as, method: 'GET', path: REQUESTOR_POLICY })
  const more = ['encrypt', 'decrypt'].map(verb => `path "transit/${verb}/${name}" { capabilities = ["update"] }`)
  const policy = [before?.data?.policy, ...more].join('\n')
  await stack.vault.send({ ...as, method: 'POST', path: REQUESTOR_POLICY, body: { policy } })
}

function blocks(path: string, language: string): string[] {
  const text = readFileSync(path, 'utf8')
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)]
    .filter(([, found]) => found === language)
    .map(([, , code = '']) => code)
}

describe('docs/submit.md: every command works', () => {
  test.each(blocks('docs/submit.md', 'sh'))('%s', async script => {
    const { code, stderr } = await terminal.shell(script)
    expect(code, stderr).toBe(0)
    expect(stderr).not.toContain('writ:')
  })
})

test.each([
  ['docs/submit.md', ['hello\n0\n']],
  ['docs/client.md', ['hello\nsuccess 0\n', 'for my eyes\n']],
])(
  '%s: the examples in TypeScript pass the compiler and run',
  async (path, outputs) => {
    const examples = blocks(path, 'ts')
    expect(examples).toHaveLength(outputs.length)
    const folder = '.writ/docs-example'
    mkdirSync(folder, { recursive: true })
    try {
      const names = examples.map((example, n) => {
        writeFileSync(`${folder}/example-${n}.ts`, example.replace("'writ/client'", "'../../src/client/index.ts'"))
        return `example-${n}.ts`
      })
      writeFileSync(`${folder}/tsconfig.json`, JSON.stringify({ extends: '../../tsconfig.json', include: names }))
      await run('node_modules/.bin/tsc', ['-p', folder])
      const got: string[] = []
      for (const name of names)
        got.push((await run(process.execPath, [`${folder}/${name}`], { env: environment })).stdout)
      expect(got).toEqual(outputs)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  90_000,
)

test('README: the two commands are scripts of the package, with a set-up each', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'))
  const commands = blocks('README.md', 'sh').flatMap(block => block.trim().split('\n'))
  expect(commands.map(line => line.split('#')[0]?.trim())).toEqual(['npm run demo', 'npm test'])
  expect(scripts).toMatchObject({
    predemo: expect.stringContaining('setup'),
    pretest: expect.stringContaining('setup'),
  })
})

test('links between the documents lead somewhere', () => {
  const pages = ['.', 'docs', 'docs/adr'].flatMap(folder =>
    readdirSync(folder)
      .filter(name => name.endsWith('.md'))
      .map(name => ({ folder, path: `${folder}/${name}` })),
  )
  expect(pages.length).toBeGreaterThan(10)
  for (const { folder, path } of pages) {
    for (const [, target = ''] of readFileSync(path, 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      expect(existsSync(join(folder, target)), `${path}: ${target}`).toBe(true)
    }
  }
})
