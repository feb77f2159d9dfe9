import { expect, test } from 'vitest'
import { decodeTexts } from './go-json.ts'

const read = (body: string) => decodeTexts(body, ['task_id', 'role'])
const words = (body: string) => {
  try {
    return read(body)
  } catch (error) {
    return (error as Error).message
  }
}

/** What Go's decoder takes (gatekeeper.md §2.1). */
test.each([
  ['{"task_id":"a"}', { task_id: 'a', role: '' }],
  [' \t\r\n{"task_id":"a"} ', { task_id: 'a', role: '' }],
  ['{"TASK_ID":"a","Role":"b"}', { task_id: 'a', role: 'b' }],
  ['{"task_id":"a","other":{"task_id":["b"]}}', { task_id: 'a', role: '' }],
  ['{"task_id":null}', { task_id: '', role: '' }],
  ['null', { task_id: '', role: '' }],
  ['{}', { task_id: '', role: '' }],
  ['{"task_id":"a"}{bad', { task_id: 'a', role: '' }],
  ['{"task_id":"a"}{"task_id":"b"}', { task_id: 'a', role: '' }],
  ['{"task_id":"a","task_id":"b"}', { task_id: 'b', role: '' }],
  ['{"task_id":"\\u0061\\"\\/"}', { task_id: 'a"/', role: '' }],
])('%j is read', (body, expected) => expect(read(body)).toEqual(expected))

/** In Go's words. */
test.each([
  ['', 'EOF'],
  [' \n', 'EOF'],
  ['{', 'unexpected EOF'],
  ['{"task_id"', 'unexpected EOF'],
  ['{"task_id":', 'unexpected EOF'],
  ['{"task_id":"a', 'unexpected EOF'],
  ['{"task_id":tru', 'unexpected EOF'],
  ['x', "invalid character 'x' looking for beginning of value"],
  ['}', "invalid character '}' looking for beginning of value"],
  ['{x', "invalid character 'x' looking for beginning of object key string"],
  ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
  ['{"a" 1}', "invalid character '1' after object key"],
  ['{"a":1 2}', "invalid character '2' after object key:value pair"],
  ['{"a":[1 2]}', "invalid character '2' after array element"],
  ['{"a":nulx}', "invalid character 'x' in literal null (expecting 'l')"],
  ['{"a":"\n"}', "invalid character '\\n' in string literal"],
  ['{"task_id":1}', 'json: cannot unmarshal number into Go struct field .task_id of type string'],
  ['{"TASK_ID":true}', 'json: cannot unmarshal bool into Go struct field .task_id of type string'],
  ['{"task_id":["a"]}', 'json: cannot unmarshal array into Go struct field .task_id of type string'],
  ['{"task_id":{}}', 'json: cannot unmarshal object into Go struct field .task_id of type string'],
])('%j is refused: %s', (body, error) => expect(words(body)).toBe(error))

test.each(['[]', '"a"', '{"a":-}', '{"a":"\\q"}', '['.repeat(100)])(
  '%j is refused, in other words than Go has',
  body => {
    expect(words(body)).toEqual(expect.any(String))
  },
)
