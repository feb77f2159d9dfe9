import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import type { ErrorCode } from '../../src/protocol/errors.ts'
import type { Limits } from '../../src/server/watch/repository/options.ts'
import { type LfsObject, type LfsOptions, pointerOf } from '../git-servers/lfs-server.ts'
import type { Contents } from './modules.ts'

/** A signed commit with a pointer, and a server of LFS, that must not lead to a tar of files. */
export interface LfsCase {
  readonly name: string
  readonly code: ErrorCode | readonly ErrorCode[]
  /** Files of the commit; by default `x.bin`, the pointer of `CONTENT`, which the server has. */
  readonly files?: Contents
  /** `elsewhere` is another server's address; it must not hear of the password. */
  readonly server?: (elsewhere: string) => Pick<LfsOptions, 'say' | 'give'>
  /** Answers in the place of the API, when it returns true. */
  readonly api?: (request: IncomingMessage, response: ServerResponse, elsewhere: string) => boolean | undefined
  readonly limits?: Partial<Limits>
  /** Whether anything of LFS may be asked for at all. */
  readonly silent?: true
}

export const CONTENT = 'the right content of the file'
const OID = createHash('sha256').update(CONTENT).digest('hex')
const POINTER = pointerOf(OID, CONTENT.length)

type Code = LfsCase['code']

const LYING: Code = 'lfs_content_wrong'

function giving(
  name: string,
  code: Code,
  give: (response: ServerResponse, elsewhere: string) => void,
  limits?: Partial<Limits>,
): LfsCase {
  const server = (elsewhere: string) => ({
    give: (_oid: string, _request: IncomingMessage, response: ServerResponse) => {
      give(response, elsewhere)
      return true
    },
  })
  return { name: `a content: ${name}`, code, server, ...(limits ? { limits } : {}) }
}

function saying(name: string, code: Code, say: (object: LfsObject, elsewhere: string) => unknown): LfsCase {
  return {
    name: `the answer of a batch: ${name}`,
    code,
    server: elsewhere => ({ say: object => say(object, elsewhere) }),
  }
}

function answering(
  name: string,
  code: Code,
  answer: (response: ServerResponse, elsewhere: string) => void,
  limits?: Partial<Limits>,
): LfsCase {
  return {
    name: `the API: ${name}`,
    code,
    api(_, response, elsewhere) {
      answer(response, elsewhere)
      return true
    },
    ...(limits ? { limits } : {}),
  }
}

function pointing(name: string, code: Code, files: Contents, limits?: Partial<Limits>): LfsCase {
  return { name: `pointers: ${name}`, code, files, silent: true, ...(limits ? { limits } : {}) }
}

const at = (object: LfsObject, href: string, header?: Record<string, unknown>) => ({
  ...object,
  actions: { download: { href, ...(header ? { header } : {}) } },
})
const withHeader = (object: LfsObject, header: Record<string, unknown>) =>
  at(object, object.actions?.download?.href ?? '', header)

export const HOSTILE_LFS: readonly LfsCase[] = [
  giving('other bytes', LYING, response => response.end(CONTENT.replace('right', 'wrong'))),
  giving('one byte more', LYING, response => response.end(`${CONTENT}!`)),
  giving('one byte less', LYING, response => response.end(CONTENT.slice(1))),
  giving('nothing', LYING, response => response.end()),
  giving('the right one, and then more', LYING, response => {
    response.write(CONTENT)
    setTimeout(() => response.end('evil'), 50)
  }),
  giving('without an end', LYING, response => {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
    }
    response.on('drain', more)
    more()
  }),
  giving('cut off', 'repository_unreachable', response => {
    response.writeHead(200, { 'content-length': CONTENT.length })
    response.write(CONTENT.slice(0, 5))
    setTimeout(() => response.destroy(), 50)
  }),
  giving('compressed', LYING, response => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(CONTENT))
  }),
  giving('a part of it', 'lfs_refused', response => {
    response.writeHead(206, { 'content-range': `bytes 0-9/${CONTENT.length}` }).end(CONTENT.slice(0, 10))
  }),
  ...[301, 302, 303, 307, 308].map(status =>
    giving(`a redirection (${status})`, 'lfs_refused', (response, elsewhere) => {
      response.writeHead(status, { location: `${elsewhere}/x` }).end()
    }),
  ),
  giving('not there', 'lfs_missing', response => response.writeHead(404).end()),
  giving('not for us', 'lfs_refused', response => response.writeHead(403).end()),
  giving('not now', 'repository_unreachable', response => response.writeHead(503).end()),
  giving('never', 'repository_unreachable', () => undefined, { fetchMs: 5_000 }),
  giving(
    'a byte from time to time',
    'repository_unreachable',
    response => {
      const timer = setInterval(() => response.write('x'), 900)
      response.on('close', () => clearInterval(timer))
    },
    { fetchMs: 5_000 },
  ),
  saying('another size', LYING, object => ({ ...object, size: object.size + 1 })),
  saying('no size', LYING, ({ size: _, ...object }) => object),
  saying('another object', 'lfs_refused', object => ({ ...object, oid: 'a'.repeat(64) })),
  saying('no object', 'lfs_refused', () => []),
  saying('the object twice', 'lfs_refused', object => [object, object]),
  saying('what is no object', 'lfs_refused', () => 'x'),
  saying('no place', 'lfs_missing', ({ oid, size }) => ({ oid, size })),
  saying('a place to put it', 'lfs_missing', ({ actions, ...object }) => ({
    ...object,
    actions: { upload: actions?.download },
  })),
  saying('that it is not there', 'lfs_missing', ({ oid, size }) => ({
    oid,
    size,
    error: { code: 404, message: 'canary' },
  })),
  saying('that it is not for us', 'lfs_refused', ({ oid, size }) => ({ oid, size, error: { code: 403 } })),
  saying('an error without a code', 'lfs_refused', ({ oid, size }) => ({ oid, size, error: {} })),
  saying('that it will be back', 'repository_unreachable', ({ oid, size }) => ({ oid, size, error: { code: 503 } })),
  saying('a place without TLS', 'lfs_refused', (object, elsewhere) => at(object, elsewhere.replace('https', 'http'))),
  saying('a file of this machine', 'lfs_refused', object => at(object, 'file:///etc/passwd')),
  saying('itself', 'lfs_refused', object => at(object, `data:text/plain,${CONTENT}`)),
  saying('a path', 'lfs_refused', object => at(object, '/lfs-contents/x')),
  saying('a place with a password', 'lfs_refused', (object, elsewhere) =>
    at(object, elsewhere.replace('//', '//a:b@')),
  ),
  saying('a place of 10 KB', 'lfs_refused', (object, elsewhere) => at(object, `${elsewhere}/${'x'.repeat(10_000)}`)),
  saying('another server, which asks for a password', 'lfs_refused', (object, elsewhere) =>
    at(object, `${elsewhere}/closed/x`),
  ),
  saying('a server with another certificate', 'repository_host_unknown', object => at(object, 'https://stranger/x')),
  saying('a header for another host', 'lfs_refused', object => withHeader(object, { Host: 'elsewhere' })),
  saying('a header that ends the request', 'lfs_refused', object => withHeader(object, { 'X-A': 'x\r\n\r\nGET /' })),
  saying('a header that is no name', 'lfs_refused', object => withHeader(object, { 'X A': 'x' })),
  saying('a header that is no text', 'lfs_refused', object => withHeader(object, { 'X-A': ['x'] })),
  saying('a header that says how long it is', 'lfs_refused', object => withHeader(object, { 'Content-Length': '5' })),
  saying('headers that are a list', 'lfs_refused', object => withHeader(object, [] as never)),
  saying('a hundred headers', 'lfs_refused', object =>
    withHeader(object, Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`x-${at}`, 'x']))),
  ),
  answering('no JSON', 'lfs_refused', response => response.end('<html></html>')),
  answering('a list', 'lfs_refused', response => response.end('[]')),
  answering('nothing', 'lfs_refused', response => response.end()),
  answering('10 MB', 'lfs_refused', response => response.end(' '.repeat(10_000_000))),
  answering('another transfer', 'lfs_unsupported', response => response.end('{"transfer":"tus","objects":[]}')),
  answering('another hash', 'lfs_unsupported', response => response.end('{"hash_algo":"sha512","objects":[]}')),
  answering('a redirection', 'lfs_refused', (response, elsewhere) =>
    response.writeHead(307, { location: `${elsewhere}/x` }).end(),
  ),
  answering('lets nobody in', 'lfs_refused', response => response.writeHead(401).end()),
  answering('is not there', 'lfs_missing', response => response.writeHead(404).end()),
  answering('is broken', 'repository_unreachable', response => response.writeHead(500).end()),
  answering('has too much to do', 'repository_unreachable', response => response.writeHead(429).end()),
  answering('never answers', 'repository_unreachable', () => undefined, { fetchMs: 5_000 }),
  {
    name: 'only the server that .lfsconfig names has it',
    code: 'lfs_missing',
    files: { 'y.bin': pointerOf('b'.repeat(64), 5), '.lfsconfig': '[lfs]\n\turl = https://elsewhere/x\n' },
  },
  {
    name: 'pointers: one hash with two sizes',
    code: 'lfs_pointer_invalid',
    silent: true,
    files: { 'x.bin': POINTER, 'y.bin': pointerOf(OID, 5) },
  },
  pointing('a size beyond all limits', 'tree_too_large', { 'x.bin': pointerOf(OID, '9'.repeat(15)) }),
  pointing('too large together', 'tree_too_large', {
    'x.bin': pointerOf(OID, 3_000_000),
    'y.bin': pointerOf('a'.repeat(64), 3_000_000),
  }),
  pointing(
    'one content in too many places',
    'tree_too_large',
    Object.fromEntries(Array.from({ length: 6 }, (_, at) => [`${at}`, pointerOf(OID, 1_000_000)])),
  ),
  pointing(
    'one, and a file of 1 MB in a thousand places',
    'tree_too_large',
    Object.fromEntries(
      Array.from({ length: 1_000 }, (_, at) => [`${at}`, at === 500 ? POINTER : 'x'.repeat(1_000_000)]),
    ),
  ),
  pointing(
    'too many',
    'tree_too_large',
    Object.fromEntries(Array.from({ length: 6 }, (_, at) => [`${at}`, pointerOf(`${at}`.repeat(64), 1)])),
    { lfsObjects: 5 },
  ),
  pointing('a hash that leads elsewhere', 'lfs_pointer_invalid', { 'x.bin': pointerOf('../../../../etc/passwd', 5) }),
  pointing('a hash that is too short', 'lfs_pointer_invalid', { 'x.bin': pointerOf(OID.slice(1), 5) }),
  pointing('another hash', 'lfs_pointer_invalid', { 'x.bin': POINTER.replace('sha256', 'sha1') }),
  pointing('no size', 'lfs_pointer_invalid', { 'x.bin': POINTER.replace(/size.*\n/, '') }),
  pointing('a size below zero', 'lfs_pointer_invalid', { 'x.bin': pointerOf(OID, '-1') }),
  pointing('an extension', 'lfs_pointer_invalid', { 'x.bin': POINTER.replace('oid', `ext-0-evil sha256:${OID}\noid`) }),
  pointing('another version', 'lfs_pointer_invalid', { 'x.bin': POINTER.replace('v1', 'v2') }),
]
