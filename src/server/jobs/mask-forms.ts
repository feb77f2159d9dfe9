/**
 * Of the values of a job, all together, so many bytes are searched for in encoded forms too: each costs up to 2,000 bytes of memory. The
 * attack: with the 4 MB that a job may be given, gigabytes, and a minute in which nobody else on the node is served.
 */
export const ENCODE_LIMIT = 131_072

const utf8 = (text: string) => Buffer.from(text, 'utf8')

/**
 * The ways in which programs print a value by accident: as it is, in JSON, in a URL or a form, inside a larger base64 text, and
 * line by line. Not meant against a job that hides it on purpose, which no list can stop.
 *
 * @param floor forms that are shorter (in bytes) are left out
 * @param encoded whether encoded forms are wanted too
 */
export function formsOf(value: string, floor: number, encoded = true): Uint8Array[] {
  const forms = new Map<string, Buffer>()
  const add = (form: Buffer) => {
    if (form.length >= floor) forms.set(form.toString('latin1'), form)
  }
  // `$(cat file)` drops the line end that the file has
  for (const text of new Set([value, withoutLineEnds(value)])) {
    add(utf8(text))
    if (!encoded) continue
    for (const form of [...inJson(text), ...inUrl(utf8(text)), ...inBase64(utf8(text))]) add(Buffer.from(form))
  }
  if (/[\r\n]/.test(value)) for (const line of value.split(/[\r\n]+/)) add(utf8(line.trim()))
  return [...forms.values()]
}

/** Counted: an expression for the line ends at its end begins anew at each line end before. */
function withoutLineEnds(value: string): string {
  let end = value.length
  while (value[end - 1] === '\n' || value[end - 1] === '\r') end -= 1
  return value.slice(0, end)
}

function inJson(text: string): string[] {
  const plain = JSON.stringify(text.toWellFormed()).slice(1, -1)
  const unicode = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  const ofGo = plain.replace(/[<>&\u2028\u2029]/g, unicode)
  const ofPython = plain.replace(/[^\0-\x7f]/g, unicode)
  const ofPhp = plain.replaceAll('/', '\\/')
  return [plain, ofGo, ofPython, ofPhp]
}

function inUrl(bytes: Buffer): string[] {
  const percent = (kept: RegExp) =>
    Array.from(bytes.toString('latin1'), char =>
      kept.test(char) ? char : `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    ).join('')
  const upper = [
    percent(/[\w.~-]/), // RFC 3986
    percent(/[\w.~!'()*-]/), // encodeURIComponent
    percent(/[\w.~!'()*;/?:@&=+$,#-]/), // encodeURI
    percent(/[\w.* -]/).replaceAll(' ', '+'), // forms
  ]
  return [...upper, ...upper.map(text => text.replace(/%../g, hex => hex.toLowerCase()))]
}

/**
 * Base64 turns 3 bytes into 4 characters, so a value looks different at each of three offsets, and its first and last character
 * may hold bits of its neighbours: these are left out, except at the end of the whole text, where the neighbour is known.
 */
function inBase64(bytes: Buffer): string[] {
  const found: string[] = []
  for (const before of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    const from = Math.ceil((before * 8) / 6)
    const whole = Math.floor(((before + bytes.length) * 8) / 6)
    found.push(text.slice(from, whole), text.slice(from).replace(/=+$/, ''), text.slice(from))
  }
  // base64(1) breaks lines at 76 characters, openssl and PEM at 64
  const text = bytes.toString('base64')
  for (const width of [64, 76]) {
    if (text.length > width) for (let at = 0; at < text.length; at += width) found.push(text.slice(at, at + width))
  }
  return [...found, ...found.map(form => form.replaceAll('+', '-').replaceAll('/', '_'))]
}
