const DEFAULT_PORT = 5050

/** `host:port` of what a master writes about itself into a ZooKeeper node; undefined when that is not in it. */
export function masterInfo(node: string, data: Buffer): string | undefined {
  return node.startsWith('json.') ? fromJson(data) : fromProtobuf(data)
}

/** `{"address": {"hostname", "ip", "port"}, "pid": "master@ip:port", …}`. */
function fromJson(data: Buffer): string | undefined {
  let info: unknown
  try {
    info = JSON.parse(data.toString('utf8'))
  } catch {
    return undefined
  }
  const { address } = (info ?? {}) as { address?: { hostname?: unknown; ip?: unknown; port?: unknown } }
  const host = [address?.hostname, address?.ip].find(value => typeof value === 'string' && value !== '')
  return host && typeof address?.port === 'number' ? `${host}:${address.port}` : undefined
}

/** Fields of the message `mesos.MasterInfo`. */
const PORT = 3
const HOSTNAME = 5

function fromProtobuf(data: Buffer): string | undefined {
  let offset = 0
  let [host, port] = ['', DEFAULT_PORT]
  const varint = (): number => {
    let value = 0
    for (let scale = 1; scale < 2 ** 63; scale *= 128) {
      const byte = data[offset]
      if (byte === undefined) return Number.NaN
      offset += 1
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
    return Number.NaN
  }
  while (offset < data.length) {
    const tag = varint()
    const [field, wire] = [Math.floor(tag / 8), tag % 8]
    if (wire === 0) {
      const value = varint()
      if (field === PORT) port = value
    } else if (wire === 2) {
      const length = varint()
      if (!(offset + length <= data.length)) return undefined
      if (field === HOSTNAME) host = data.toString('utf8', offset, offset + length)
      offset += length
    } else {
      return undefined
    }
  }
  return host && Number.isInteger(port) ? `${host}:${port}` : undefined
}
