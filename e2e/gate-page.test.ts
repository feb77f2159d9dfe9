import { mkdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startGateApp } from '../test/gate-app.ts'

let browser: Browser
let stack: Awaited<ReturnType<typeof startGateApp>>
beforeAll(async () => {
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
}, 60_000)
afterAll(() => browser.close())
afterEach(async () => {
  await stack.close()
})

/** The page in a browser that runs no script, with every complaint of it and every request it made. */
async function open(options: Parameters<typeof startGateApp>[1] = {}, look: Parameters<Browser['newContext']>[0] = {}) {
  stack = await startGateApp({}, options)
  await stack.app.listen({ host: '127.0.0.1', port: 0 })
  const address = `http://127.0.0.1:${(stack.app.server.address() as AddressInfo).port}`
  const context = await browser.newContext({ javaScriptEnabled: false, ...look })
  const page = await context.newPage()
  const complaints: string[] = []
  const foreign: string[] = []
  page.on('console', message => complaints.push(message.text()))
  page.on('request', request => {
    if (!request.url().startsWith(address)) foreign.push(request.url())
  })
  await page.goto(address)
  return { page, complaints, foreign }
}

async function shot(page: Page, name: string): Promise<void> {
  const folder = process.env.WRIT_TEST_SCREENSHOTS
  if (!folder) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true })
}

test('sealed: why, and a form for each method; unsealed by one, and sealed again', async () => {
  const { page, complaints, foreign } = await open({ sealed: true })
  await stack.bench.stack.write('sys/policies/acl/admin', { policy: 'path "writ/gate" { capabilities = ["update"] }' })
  const admin = await stack.bench.stack.token({ policies: ['admin', 'default'], ttl: '1h' })
  expect(await page.locator('.state strong').textContent()).toBe('Sealed')
  expect(await page.locator('form[action="/unseal"]').count()).toBe(11)
  await shot(page, 'sealed')

  await page.locator('input[name=token_token]').fill('wrong')
  await page.getByRole('button', { name: 'Unseal' }).first().click()
  expect(await page.locator('.said').textContent()).toContain('refuses this credential')
  expect(page.url()).not.toContain('wrong')
  await shot(page, 'refused')

  await page.locator('input[name=token_token]').fill(stack.bench.stack.root.reveal())
  await page.getByRole('button', { name: 'Unseal' }).first().click()
  expect(await page.locator('.state strong').textContent()).toBe('Unsealed')
  await shot(page, 'unsealed')

  await page.getByText('Seal', { exact: true }).first().click()
  await page.getByRole('button', { name: 'Seal', exact: true }).click()
  expect(await page.locator('.said').textContent()).toContain('writ/gate')
  await page.getByText('Seal', { exact: true }).first().click()
  await page.locator('form[action="/seal"] input[name=vault_token]').fill(admin.reveal())
  await page.getByRole('button', { name: 'Seal', exact: true }).click()
  expect(await page.locator('.state strong').textContent()).toBe('Sealed')
  expect({ complaints, foreign }).toEqual({ complaints: [], foreign: [] })
})

test('user name and password', async () => {
  const { page } = await open({ sealed: true })
  const { write } = stack.bench.stack
  await write('sys/auth/userpass', { type: 'userpass' })
  await write('sys/policies/acl/all', { policy: 'path "*" { capabilities = ["read", "update", "sudo"] }' })
  await write('auth/userpass/users/ann', { password: 'correct horse', token_policies: 'all' })
  await page.getByText('User name and password').click()
  await page.locator('input[name=userpass_username]').fill('ann')
  await page.locator('input[name=userpass_password]').fill('correct horse')
  await page.locator('form:has(input[name=userpass_username]) button').click()
  expect(await page.locator('.state strong').textContent()).toBe('Unsealed')
})

test('on a telephone, in the dark: nothing is cut off, and the form that was refused is the one that is open', async () => {
  const { page } = await open({ sealed: true }, { viewport: { width: 320, height: 640 }, colorScheme: 'dark' })
  const opened = () => page.locator('details[open] summary').allTextContents()
  expect(await opened()).toEqual(['Token'])
  await page.getByText('User name and password').click()
  await page.locator('input[name=userpass_username]').fill('ann')
  await page.locator('input[name=userpass_password]').fill('wrong')
  await page.locator('form:has(input[name=userpass_username]) button').click()
  expect(await page.locator('[role=alert]').count()).toBe(1)
  expect(await opened()).toEqual(['User name and password'])
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320)
  await shot(page, 'narrow')
  await page.goto(`${page.url().split('?')[0]}?said=failed&tried=%3Cb%3E&tried=x`)
  expect(await opened()).toEqual(['Token'])
})

test('every field has a name that is read out, and every colour of text can be read', async () => {
  for (const colorScheme of ['light', 'dark'] as const) {
    const { page } = await open({ sealed: true }, { colorScheme })
    const fields = '[...document.querySelectorAll("input:not([type=hidden]), select")]'
    const unnamed = await page.evaluate(
      `${fields}.filter(one => !one.labels[0]?.textContent.trim()).map(one => one.name)`,
    )
    expect(unnamed).toEqual([])
    for (const [selector, back] of [
      ['dt', 'body'],
      ['.state strong', '.state'],
      ['label', 'body'],
    ] as const) {
      expect(await contrast(page, selector, back)).toBeGreaterThanOrEqual(4.5)
    }
    if (colorScheme === 'light') await stack.close()
  }
})

/** Of a text against what it is on, as WCAG counts. */
async function contrast(page: Page, text: string, back: string): Promise<number> {
  const color = async (selector: string, name: string) =>
    String(await page.evaluate(`getComputedStyle(document.querySelector('${selector}'))['${name}']`))
  const light = (value: string) => {
    const parts = (value.match(/[\d.]+/g) ?? []).map(Number)
    // the page's own ground is the browser's
    const [r = 0, g = 0, b = 0] = parts[3] === 0 ? (dark ? [18, 18, 18] : [255, 255, 255]) : parts
    const linear = (n: number) => (n / 255 <= 0.04045 ? n / 255 / 12.92 : ((n / 255 + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
  }
  const dark = await page.evaluate('matchMedia("(prefers-color-scheme: dark)").matches')
  const [a, b] = [light(await color(text, 'color')), light(await color(back, 'background-color'))]
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
}

test('degraded: what is wrong and what it will do; credentials are typed into password fields', async () => {
  const { page } = await open()
  stack.bench.stack.dev.seal()
  await stack.bench.identity.doubt()
  await page.reload()
  expect(await page.locator('.state strong').textContent()).toBe('Degraded')
  expect(await page.locator('.state').textContent()).toContain('ask Vault again')
  await shot(page, 'degraded')
  await stack.bench.gate.seal({ address: '127.0.0.1' })
  await page.reload()
  const open_ = await page.locator('input[type=text]').evaluateAll(all => all.map(one => one.getAttribute('name')))
  for (const name of open_) expect(name).not.toMatch(/token|password|secret|jwt_jwt|nonce|salt/)
})
