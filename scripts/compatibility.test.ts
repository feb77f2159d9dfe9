import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** The tables of what GoStint, vault-gatekeeper and the engines do wrong, and of GoStint's own tests: each line names tests that are there. */
const TEXT = readFileSync('docs/compatibility.md', 'utf8')
const rows = (heading: string, text = TEXT) =>
  (text.split(`### ${heading}\n`)[1]?.split('\n#')[0] ?? '')
    .split('\n')
    .filter(line => line.startsWith('| '))
    .slice(1)
    .map(line => line.split('|').map(cell => cell.trim()))
    .map(cells => ({ name: cells[1]?.replaceAll('`', '') ?? '', shown: cells.at(-2) ?? '' }))

/** A title may be of many cases: then the one that is meant stands behind it, as the test writes it. */
const named = (shown: string) =>
  [...shown.matchAll(/`([^`]+\.test\.ts)`: (.*?)(?: \(case `([^`]+)`\))?(?:<br>|$)/g)].map(
    ([, file = '', title = '', example]) => ({ file, titles: [title, ...(example ? [example] : [])] }),
  )

test('every defect has a line, from 1 to 34 and from 40 to 50', () => {
  const numbers = rows('Its defects, one by one').map(({ name }) => Number(name))
  const all = [...Array.from({ length: 34 }, (_, i) => i + 1), ...Array.from({ length: 11 }, (_, i) => i + 40)]
  expect(numbers).toEqual(all)
})

test('every fault of vault-gatekeeper has a line, from 1 to 35', () => {
  const numbers = rows('The faults of both versions, one by one').map(({ name }) => Number(name))
  expect(numbers).toEqual(Array.from({ length: 35 }, (_, i) => i + 1))
})

test('every flaw of flant_gitops has a line, from 1 to 26, and what switching asks for, from 1 to 11', () => {
  const numbers = (heading: string) => rows(heading).map(({ name }) => Number(name))
  expect(numbers('Flaws and limits of flant_gitops, one by one')).toEqual(Array.from({ length: 26 }, (_, i) => i + 1))
  expect(numbers('What switching from flant_gitops asks for')).toEqual(Array.from({ length: 11 }, (_, i) => i + 1))
})

test('every file of its tests has a line', () => {
  const files = rows('Its shell tests, told anew').map(({ name }) => name.slice(0, 4))
  const numbers = [10, ...Array.from({ length: 11 }, (_, i) => 100 + i * 10), 1100, 1110]
  expect(files).toEqual(numbers.map(number => String(number).padStart(4, '0')))
})

/** How many lines each table of each chapter of a page of facts has. */
type Facts = Readonly<Record<string, Readonly<Record<string, number>>>>
const GATEKEEPER: Facts = {
  'Version 1': {
    '2 Routes': 7,
    '2.1 Every answer': 12,
    '2.2 Status': 8,
    '2.3 Seal': 4,
    '2.4 Unseal': 17,
    '2.5 Reload': 3,
    '2.6 Token': 13,
    '3 The page': 9,
    '4 Configuration': 26,
    '4.1 Start': 8,
    '5 Methods of unsealing': 17,
    '6 Vault': 12,
    '7.1 Policies: the document': 13,
    '7.2 Policies: loading': 5,
    '7.3 Policies: which one': 8,
    '7.4 How often': 5,
    '7.5 Nested policies': 5,
    '8.1 Mesos': 21,
    '8.2 ECS': 8,
    '8.3 The providers for trying': 3,
    '8.5 Age and uses': 7,
    '8.6 What Vault makes': 6,
    '9 The life of the token': 9,
    '10 The log': 5,
    '11 The Go client libraries': 12,
    'A The exchanges of appendix A': 3,
  },
  'Version 2': {
    '12 Settings': 28,
    '13 Routes': 9,
    '13.3 Seal, unseal, reload': 15,
    '13.4 Token': 17,
    '13.5 Names, roles, hosts': 7,
    '13.6 What Vault is asked': 3,
    '14.1 Policies: the document': 6,
    '14.2 Policies: which one': 7,
    '15 Schedulers': 11,
    '16 State, renewal, logs, commands': 14,
    '17 Rights in Vault': 2,
    '18 Its own tests, told anew': 13,
    '18.6 Where its README and the program differed': 6,
    '18.7 What people asked for': 12,
    'B The exchanges of appendix B': 3,
    "C Go's texts": 4,
  },
}
const GOSTINT: Facts = {
  'The wire': {
    '2.1 Transport': 27,
    '2.2 Who calls': 11,
    '2.3 Error bodies': 9,
    '2.4 Routes': 12,
    '2.5 Submitting': 26,
    '2.6 One job': 13,
    '2.7 The list': 8,
    '2.8 Deleting': 5,
    '2.9 Killing': 7,
    '2.10 Health': 10,
    '2.11 Where Vault is': 2,
    '2.12 Metrics': 5,
  },
  'From the submission to the container': {
    '6 The steps of a job': 19,
    '7 Content': 11,
    '8.1 References to secrets': 11,
    '8.2 Where references come from': 4,
    '8.3 What a job is given': 11,
    '8.4 What images make of it': 3,
  },
  'The container': {
    '9.1 Its image': 9,
    '9.2 How it is made': 13,
    '9.3 Before its start': 5,
    '9.4 Its run': 3,
    '10 Output and code': 8,
    '11.1 States': 6,
    '11.2 Times': 3,
    '11.3 Queues': 5,
    '11.4 Nodes and draining': 4,
    '11.5 Kills': 4,
    '11.6 Silence and expiry': 3,
    '11.7 Images that go': 1,
    '11.8 Several nodes': 2,
  },
  'The server': {
    '12 Its start': 3,
    '13 Its settings': 18,
  },
  'gostint-client': {
    '16.1 Flags': 18,
    '16.2 What is refused': 2,
    '16.3 Environment': 2,
    '16.4 What it calls': 8,
    '16.5 What it asks of a server': 4,
    '16.6 Output and code': 8,
    '16.7 Packing a folder': 6,
    '16.8 Its Go package': 1,
  },
  'The checklist': {
    '21 In short': 13,
  },
}
const PAGES = Object.entries({ 'docs/gatekeeper-facts.md': GATEKEEPER, 'docs/gostint-facts.md': GOSTINT })
const chapters = PAGES.flatMap(([page, facts]) => {
  const text = readFileSync(page, 'utf8')
  return Object.entries(facts).map(([chapter, wanted]) => ({
    page,
    chapter,
    wanted,
    tables: factTables(text, chapter),
  }))
})
function factTables(page: string, chapter: string) {
  const text = page.split(`## ${chapter}\n`)[1]?.split('\n## ')[0] ?? ''
  const headings = [...text.matchAll(/^### (.*)$/gm)].map(([, heading = '']) => heading)
  return headings.map(heading => ({ heading, lines: rows(heading, text) }))
}

test.each(PAGES)('%s has the chapters whose lines are counted, and no other', (page, facts) => {
  const found = [...readFileSync(page, 'utf8').matchAll(/^## (.*)$/gm)].map(([, chapter]) => chapter)
  expect(found).toEqual(Object.keys(facts))
})

test.each(chapters)('$page, $chapter: every table has all its lines', ({ wanted, tables }) => {
  // a table's numbers are those of its heading: 2.1-1, 2.1-2, ...
  const all = Object.entries(wanted).map(([heading, count]) => {
    const [section] = heading.split(' ')
    return [heading, Array.from({ length: count }, (_, i) => `${section}-${i + 1}`)]
  })
  const found = tables.map(({ heading, lines }) => [heading, lines.map(({ name }) => name)])
  expect(found).toEqual(all)
})

const TABLES = [
  'Its defects, one by one',
  'Its shell tests, told anew',
  'The faults of both versions, one by one',
  'What is known to hang, lie or leak there',
  'The tests of flant_gitops, told anew',
  'The tests of its later version, told anew',
  'Flaws and limits of flant_gitops, one by one',
  'What people asked flant_gitops for',
  'What switching from flant_gitops asks for',
]
const facts = chapters.flatMap(({ tables }) => tables.flatMap(({ lines }) => lines))
const lines = [...TABLES.flatMap(heading => rows(heading)), ...facts]
test.each(lines.map(({ name, shown }) => [name, shown] as const))('%s is shown by tests that there are', (_, shown) => {
  if (shown === '*no such part*') return
  const tests = named(shown)
  expect(tests.length).toBeGreaterThan(0)
  for (const { file, titles } of tests) {
    expect(existsSync(file), file).toBe(true)
    // as a title is written: between quotes
    const source = readFileSync(file, 'utf8')
    for (const title of titles) {
      expect(
        [`'${title}'`, `"${title}"`, `\`${title}\``].some(text => source.includes(text)),
        title,
      ).toBe(true)
    }
  }
})
