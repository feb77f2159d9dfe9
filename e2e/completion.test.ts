import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { Terminal } from './command.ts'

let terminal: Terminal
/** The name of a file. */
const EVIL = '$(touch evaluated)`touch evaluated`'
beforeAll(async () => {
  terminal = await Terminal.open({ INPUTRC: '/dev/null', TERM: 'dumb' })
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await terminal.writ('completion', shell)
    expect(code).toBe(0)
    writeFileSync(join(terminal.folder, `writ.${shell}`), stdout)
  }
  // what is on the line when Return is pressed, word by word
  writeFileSync(
    join(terminal.folder, 'rc'),
    'source ./writ.bash\nPS1=\nwrit() { printf "GOT"; printf "<%s>" "$@"; echo; }\n',
  )
  for (const name of ['file-of-mine', EVIL, 'evil;touch evaluated']) writeFileSync(join(terminal.folder, name), '')
})

/** Types into an interactive bash, on a terminal of its own. */
async function typed(line: string): Promise<string> {
  const keys = `${line.replaceAll('\t', '\\t')}\\n`
  const { stdout } = await terminal.shell(
    `{ sleep 0.3; printf %b ${quoted(keys)}; sleep 0.3; printf 'exit\\n'; } | script -qfc 'bash --noprofile --rcfile rc -i' /dev/null`,
  )
  return stdout.match(/GOT.*/)?.[0].trim() ?? `nothing was entered: ${stdout}`
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

test.each([
  ['writ vault-s\t--js\t', 'GOT<vault-setup><--json>'],
  ['writ watch sta\tmine --ser\tx', 'GOT<watch><status><mine><--server><x>'],
  ['writ run --pull Alw\t', 'GOT<run><--pull><Always>'],
  ['writ run --pull=Alw\t', 'GOT<run><--pull=Always>'],
  ['writ run --env A=b --ima\tbusybox:1 --tim\t1s', 'GOT<run><--env><A=b><--image><busybox:1><--timeout><1s>'],
  ['writ run --secret-ref N@secret/x.y --direc\t', 'GOT<run><--secret-ref><N@secret/x.y><--direct>'],
  ['writ run --content file-o\t', 'GOT<run><--content><file-of-mine>'],
  ['writ run --image x -- cat file-o\t', 'GOT<run><--image><x><--><cat><file-of-mine>'],
  ['writ run --image x -- --js\t', 'GOT<run><--image><x><--><--js>'],
  ['writ doctor --for de\t', 'GOT<doctor><--for><demo>'],
  ['writ completion zs\t', 'GOT<completion><zsh>'],
  ['writ get file-o\t', 'GOT<get><file-o>'],
])('bash: %j', async (line, words) => {
  expect(await typed(line)).toBe(words)
})

test('bash: nothing that stands on the line is evaluated', async () => {
  // control-u takes the line away again: only the key Tab was pressed
  await typed('writ ls --queue $(touch evaluated) `touch evaluated` --js\t\\x15writ ls')
  expect((await terminal.shell('ls')).stdout).not.toMatch(/^evaluated$/m)
  expect(await typed('writ ls --queue x --js\t\\x15writ ls')).toBe('GOT<ls>')
})

test('bash: the name of a file that a shell would act upon is completed as a name', async () => {
  expect(await typed('writ run --content \\$\t')).toBe(`GOT<run><--content><${EVIL}>`)
  expect(await typed('writ run --content ev\t')).toBe('GOT<run><--content><evil;touch evaluated>')
  expect((await terminal.shell('ls')).stdout).not.toMatch(/^evaluated$/m)
})

test.each(['bash', 'zsh', 'fish'])('%s: what is printed is a script without a mistake', async shell => {
  if (has(shell))
    expect(await terminal.run(shell, ['-n', `writ.${shell}`])).toEqual({ code: 0, stdout: '', stderr: '' })
})

const has = (shell: string) => spawnSync(shell, ['--version']).status === 0

test.skipIf(!has('fish'))('fish', async () => {
  const complete = async (line: string) => {
    const { stdout } = await terminal.run('fish', ['-c', `source ./writ.fish; complete -C ${quoted(line)}`])
    return stdout.split('\n').map(row => row.split('\t')[0])
  }
  expect(await complete('writ ')).toEqual(expect.arrayContaining(['run', 'watch', 'completion']))
  expect(await complete('writ watch ')).toEqual(expect.arrayContaining(['add', 'sign']))
  expect(await complete('writ watch ')).not.toContain('run')
  expect(await complete('writ run --pull ')).toEqual(['Always', 'IfNotPresent', 'Never', ''])
  expect(await complete('writ ls --st')).toEqual(['--status', ''])
  expect(await complete('writ run -- --im')).not.toContain('--image')
  for (const line of [
    'writ ls --queue $(touch evaluated) --js',
    'writ run --content $(touch evaluated)/',
    'writ get (touch evaluated) ',
  ])
    await complete(line)
  expect(await complete('writ run --content \\$')).toContain(EVIL)
  expect((await terminal.shell('ls')).stdout).not.toMatch(/^evaluated$/m)
})

/** Types into an interactive zsh; what was entered. */
async function inZsh(line: string): Promise<string> {
  const script = `
    zmodload zsh/zpty
    zpty z zsh -f -i
    zpty -w z 'PROMPT=; autoload -U compinit; compinit -u -D; source ./writ.zsh; writ() { print -r -- "GOT<\${(j:><:)@}>" }; print READY'
    while zpty -r z line; do [[ $line == READY* ]] && break; done
    zpty -w -n z $${quoted(line)}
    while zpty -r z line; do [[ $line == GOT* ]] && break; done
    print -r -- $line`
  return (await terminal.run('zsh', ['-f', '-c', script])).stdout
}

test.skipIf(!has('zsh'))('zsh: it loads, and completes', async () => {
  expect(await inZsh('writ watch stat\\tmine --js\\t\\n')).toContain('GOT<watch><status><mine><--json>')
})

test.skipIf(!has('zsh'))('zsh: nothing that stands on the line, or is the name of a file, is evaluated', async () => {
  // control-u takes the line away again: only the key Tab was pressed
  const line = 'writ ls --queue $(touch evaluated) `touch evaluated` --js\\t\\x15writ ls\\n'
  expect(await inZsh(line)).toContain('GOT<ls>')
  expect(await inZsh('writ run --content ev\\t\\n')).toContain('GOT<run><--content><evil;touch evaluated>')
  expect(await inZsh('writ run --content \\\\$\\t\\n')).toContain(`GOT<run><--content><${EVIL}>`)
  expect((await terminal.shell('ls')).stdout).not.toMatch(/^evaluated$/m)
})
