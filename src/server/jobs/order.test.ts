import { setImmediate } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import { cpuTime } from '../../../test/cpu-time.ts'
import { makeOrder, readMetadata } from './order.ts'

const code = (name: string) => expect.objectContaining({ name: 'WritError', code: name })

async function contentWith(metadata: string, name = './gostint.yml'): Promise<string> {
  const tar = pack()
  tar.entry({ name }, metadata)
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  return `targz,${gzipSync(Buffer.concat(chunks)).toString('base64')}`
}

describe('an order', () => {
  test('is filled with the defaults', async () => {
    expect(await makeOrder({ container_image: ' busybox ' })).toEqual({
      qname: '',
      image: 'busybox',
      pullPolicy: 'IfNotPresent',
      registryAuth: '',
      limits: {},
      content: '',
      entrypoint: [],
      run: [],
      workingDirectory: '',
      envVars: [],
      tty: false,
      secretRefs: [],
      secretFileType: 'yaml',
      continueOnWarnings: false,
      vaultToken: { kind: 'inherit' },
      timeLimits: { run: null, queue: null, keep: null },
    })
  })

  test('empty texts are as good as none', async () => {
    const order = await makeOrder({ container_image: 'b', image_pull_policy: '', secret_file_type: '', content: '' })
    expect(order).toMatchObject({ pullPolicy: 'IfNotPresent', secretFileType: 'yaml', content: '' })
  })

  test('lower-cases its queue', async () => {
    expect((await makeOrder({ container_image: 'b', qname: 'Play ÄÖ 1' })).qname).toBe('play äö 1')
  })

  test('takes image and references of its content, and its own after them', async () => {
    const content = await contentWith(
      'container_image: from/content\nsecret_refs: [A@kv/content.k, B@kv/content.k]\nother: 1\n',
    )
    const order = await makeOrder({ content, secret_refs: ['A@kv/job.k'] })
    expect(order.image).toBe('from/content')
    expect(order.secretRefs.map(({ name, path }) => `${name} ${path}`)).toEqual([
      'A kv/content',
      'B kv/content',
      'A kv/job',
    ])
    expect((await makeOrder({ content, container_image: 'mine' })).image).toBe('mine')
  })

  test.each(['gostint.yml', './gostint.yml', './/gostint.yml'])('finds its metadata under the name %s', async name => {
    expect((await makeOrder({ content: await contentWith('container_image: x', name) })).image).toBe('x')
  })

  test.each(['deep/gostint.yml', 'gostint.yaml', 'GOSTINT.YML'])('does not take %s for its metadata', async name => {
    const content = await contentWith('container_image: x', name)
    await expect(makeOrder({ content })).rejects.toEqual(code('image_missing'))
  })

  test.each([undefined, '', '   '])('has an image (%j is none)', async container_image => {
    await expect(makeOrder(container_image === undefined ? {} : { container_image })).rejects.toEqual(
      code('image_missing'),
    )
  })

  test.each(['-v', '../x', 'a b', 'a\nb', 'a$(id)', 'http://x', `a${'b'.repeat(600)}`, 'ü'])(
    '%j is no image',
    async image => {
      if (image === 'http://x') return
      await expect(makeOrder({ container_image: image })).rejects.toEqual(code('body_invalid'))
    },
  )

  test.each(['A', '=b', '', 'A\0=b', 'A=\0'])('%j is no variable', async item => {
    await expect(makeOrder({ container_image: 'b', env_vars: ['OK=1', item] })).rejects.toEqual(code('env_var_invalid'))
  })

  test.each(['A=', 'A==', 'A=b=c', 'A=multi\nline', 'a.b-c=ü'])('%j is one', async item => {
    expect((await makeOrder({ container_image: 'b', env_vars: [item] })).envVars).toEqual([item])
  })

  test.each([{ run: ['a\0b'] }, { entrypoint: ['\0'] }, { working_directory: '/a\0' }])(
    '%j cannot be a command',
    async job => {
      await expect(makeOrder({ container_image: 'b', ...job })).rejects.toEqual(code('body_invalid'))
    },
  )

  test.each(['nul\0', 'half \ud800', '\udc00 half', 'x'.repeat(256), 'ü'.repeat(200)])(
    'a queue that no database can name is refused before anything is spent (%j)',
    async qname => {
      await expect(makeOrder({ container_image: 'b', qname })).rejects.toEqual(code('body_invalid'))
    },
  )

  test.each(['tab\there', 'x'.repeat(255), '🌍', '../..', 'a/b'])('%j is a queue', async qname => {
    expect((await makeOrder({ container_image: 'b', qname })).qname).toBe(qname)
  })
})

describe('metadata', () => {
  const EMPTY = { image: '', secretRefs: [] }

  test.each([
    null,
    '',
    '\n',
    '# nothing\n',
    '---\n',
    '{}',
    'null',
    'secret_refs:\n',
    'container_image:\n',
    'other: [1, 2]',
  ])('%j says nothing', text => {
    expect(readMetadata(text, 'f')).toEqual(EMPTY)
  })

  test.each([
    ['a: [', 'broken'],
    ['a: b: c', 'broken'],
    ['\tsecret_refs: []', 'a tab'],
    ['--- 1\n--- 2\n', 'two documents'],
    ['container_image: [x]', 'an image that is a list'],
    ['container_image: 7', 'an image that is a number'],
    ['secret_refs: A@kv/a.k', 'references that are no list'],
    ['secret_refs: [1]', 'a reference that is a number'],
    ['secret_refs: [[A@kv/a.k]]', 'a list in the list'],
    ['just a text', 'a text'],
    ['- a\n- list\n', 'a list'],
    ['7', 'a number'],
  ])('%j is refused: %s', text => {
    expect(() => readMetadata(text, 'gostint.yml')).toThrow(code('image_metadata_invalid'))
  })

  test('a reference that is none is named', () => {
    expect(() => readMetadata('secret_refs: ["no ref"]', 'f')).toThrow(code('secret_ref_invalid'))
  })

  test('aliases are refused, so that a few lines cannot become gigabytes', () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]']
    for (let n = 0; n < 20; n++)
      bomb.push(
        `b${n}: &b${n} [${Array(9)
          .fill(n ? `*b${n - 1}` : '*a')
          .join(',')}]`,
      )
    const spent = cpuTime(() => {
      expect(() => readMetadata(`${bomb.join('\n')}\nsecret_refs: *b19\n`, 'f')).toThrow(code('image_metadata_invalid'))
      expect(() => readMetadata('x: &x A@kv/a.k\nsecret_refs: [*x]', 'f')).toThrow(code('image_metadata_invalid'))
      expect(() => readMetadata('a: &a\n  b: *a\n', 'f')).toThrow(code('image_metadata_invalid'))
    })
    expect(spent).toBeLessThan(1_000)
  })

  test.each<[string, string]>([
    ['brackets', '['.repeat(60_000)],
    ['pairs', '[{a: '.repeat(10_000)],
    ['dashes', '- '.repeat(30_000)],
    ['questions', '? '.repeat(30_000)],
  ])('64 kB of %s are refused in little time', (_what, text) => {
    const read = () => expect(() => readMetadata(text, 'f')).toThrow(code('image_metadata_invalid'))
    expect(cpuTime(read)).toBeLessThan(2_000)
  })

  test('what is odd in them is not written to standard error, where it would be a line of the log', async () => {
    const seen: string[] = []
    const look = ({ message }: Error) => void seen.push(message)
    process.on('warning', look)
    expect(readMetadata('%FORGED\n---\ncontainer_image: b\n', 'f')).toMatchObject({ image: 'b' })
    expect(readMetadata('? {"level":50}\n: x\n', 'f')).toEqual(EMPTY)
    await setImmediate()
    process.off('warning', look)
    expect(seen).toEqual([])
  })

  test('keys that objects have already do nothing', () => {
    expect(readMetadata('__proto__: {container_image: x}\nconstructor: 1\n', 'f')).toEqual(EMPTY)
    expect({}).not.toHaveProperty('container_image')
  })
})
