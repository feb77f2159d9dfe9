import { refuse } from '../../errors.ts'
import { isObject, parseJson } from '../../text/json.ts'

/** The metadata of a secret id: a JSON object of texts, or `k=v,k2=v2`. @throws VaultError */
export function parseMetadata(text: string): Record<string, string> {
  if (text === '') return {}
  const parsed = fromJson(text) ?? fromPairs(text)
  if (!parsed) throw refuse(400, 'failed to parse metadata: failed to parse the input: invalid <key,value> format')
  return parsed
}

function fromJson(text: string): Record<string, string> | undefined {
  let value: unknown
  try {
    value = parseJson(text)
  } catch {
    return undefined
  }
  if (!isObject(value) || !Object.values(value).every(item => typeof item === 'string')) return undefined
  return value as Record<string, string>
}

function fromPairs(text: string): Record<string, string> | undefined {
  const pairs = text.split(',').map(pair => pair.trim().split('='))
  if (!pairs.every(([key, value, ...more]) => key && value !== undefined && more.length === 0)) return undefined
  return Object.fromEntries(pairs) as Record<string, string>
}
