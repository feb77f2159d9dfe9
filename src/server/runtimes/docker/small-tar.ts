import { buffer } from 'node:stream/consumers'
import { type Header, pack } from 'tar-stream'

export interface TarEntry extends Partial<Header> {
  readonly name: string
  readonly data?: Uint8Array | string
}

/** A tar in memory, for a few small files. */
export async function smallTar(entries: Iterable<TarEntry>): Promise<Buffer> {
  const tar = pack()
  for (const { data = '', ...header } of entries) tar.entry(header, Buffer.from(data))
  tar.finalize()
  return buffer(tar)
}
