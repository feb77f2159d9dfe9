import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { busyboxEntries, importImage, tarOf } from '../test/busybox-image.ts'
import { Terminal } from './command.ts'
import { tagImage } from './engine.ts'
import { type Stack, startStack } from './stack.ts'

/**
 * In the place of tools that are not at hand: each insists on being called, and on finding its files and secrets, as
 * the real one would. `WRIT_TEST_IMAGES="ansible=image:tag,…"` names images with the real ones.
 */
const STAND_INS: Record<string, { program: string; script: string }> = {
  ansible: {
    program: 'ansible-playbook',
    script: `[ "$*" = "-i localhost, -c local site.yml" ] && grep -q vars_files site.yml && grep -q '^password: .' /secrets.yml && echo ok=2`,
  },
  terraform: {
    program: 'terraform',
    script: `[ -f main.tf ] || exit 1
case "$*" in
  "init -input=false") ;;
  "apply -input=false -auto-approve -var-file=/secrets.json") grep -q '"name"' /secrets.json && echo 'length = 5' ;;
  *) exit 1
esac`,
  },
  kubectl: { program: 'kubectl', script: `[ "$*" = "config view --minify" ] && cat "$KUBECONFIG"` },
  helm: {
    program: 'helm',
    script: `[ "$*" = "template app / --values /secrets.yml" ] && grep -q 'name: app' /Chart.yaml && cat /secrets.yml && echo rendered`,
  },
  powershell: {
    program: 'pwsh',
    script: `[ "$#" = 3 ] && sed -n 's/.*"password": *"\\([^"]*\\)".*/\\1/p' /secrets.json | tr -d '\\n' | wc -c`,
  },
}

const KUBECONFIG = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://cluster.example.com"}}]
contexts: [{name: here, context: {cluster: c, user: u}}]
current-context: here
users: [{name: u, user: {}}]
`

const RECIPES = [...readFileSync('docs/recipes.md', 'utf8').matchAll(/^```sh\n(.*?)^```$/gms)].map(
  ([, code = '']) => code,
)
const EXPECTED: Record<string, RegExp> = {
  ansible: /ok=2/,
  terraform: /length = 5/,
  kubectl: /server: "?https:\/\/cluster\.example\.com/,
  helm: /rendered/,
  powershell: /^21\s*$/,
}

let stack: Stack
let terminal: Terminal
beforeAll(async () => {
  stack = await startStack()
  const server = await stack.startServer()
  const given = Object.fromEntries((process.env.WRIT_TEST_IMAGES ?? '').split(',').map(pair => pair.split('=')))
  for (const [name, { program, script }] of Object.entries(STAND_INS)) {
    const file = { name: `bin/${program}`, mode: 0o755, data: `#!/bin/sh\n${script}\n` }
    const image = given[name] ?? (await importImage(`writ-test/${name}`, await tarOf([...busyboxEntries(), file])))
    await tagImage(image, name)
  }
  await stack.vault.send({
    method: 'POST',
    path: 'secret/data/cluster',
    token: stack.root,
    body: { data: { kubeconfig: Buffer.from(KUBECONFIG).toString('base64') } },
  })
  terminal = await Terminal.open(stack.environment(server.address))
})
afterAll(() => stack.close())

describe('docs/recipes.md: every recipe works', () => {
  test.each(RECIPES.map(recipe => [/--image (\S+)/.exec(recipe)?.[1] ?? '', recipe]))('%s', async (image, recipe) => {
    const { code, stdout, stderr } = await terminal.shell(recipe)
    expect(code, `${stdout}\n${stderr}`).toBe(0)
    expect(stdout).toMatch(EXPECTED[image] ?? /^$/)
    expect(stdout).not.toContain('correct-horse-battery')
  })

  test('there is one for each tool', () => {
    expect(RECIPES.map(recipe => /--image (\S+)/.exec(recipe)?.[1])).toEqual(Object.keys(STAND_INS))
  })
})
