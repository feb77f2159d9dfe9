import { type Flag, type Node, nodesOf } from './tree.ts'

/** The script for fish: a rule for each command and option. */
export function fishScript(root: Node): string {
  return `# completes writ in fish: writ completion fish > ~/.config/fish/completions/writ.fish
function __writ_at
    set -l words (commandline -opc)
    set -l last (math (count $argv) + 1)
    test (count $words) -ge $last; and not contains -- -- $words; and begin
        test $last -eq 1; or test "$words[2..$last]" = "$argv"
    end
end
function __writ_next
    set -l words (commandline -opc)
    test (count $words) -eq (math (count $argv) + 1); and __writ_at $argv
end
complete -c writ -f
${nodesOf(root).flatMap(rules).join('\n')}
`
}

function rules(node: Node): string[] {
  const [, ...words] = node.path.split(' ')
  const at = `-n ${quote(['__writ_at', ...words].join(' '))}`
  const next = `-n ${quote(['__writ_next', ...words].join(' '))}`
  const here = words.length === 0 ? next : at
  return [
    ...node.commands.map(
      ({ name, description }) => `complete -c writ ${next} -a ${quote(name)} -d ${quote(description)}`,
    ),
    ...(node.choices.length > 0 ? [`complete -c writ ${next} -a ${quote(node.choices.join(' '))}`] : []),
    ...node.options.map(flag => `complete -c writ ${here} ${flagRule(flag)}`),
    ...(node.passes ? [`complete -c writ ${at} -F`] : []),
  ]
}

function flagRule({ names, description, value }: Flag): string {
  const parts = names.map(name => (name.startsWith('--') ? `-l ${quote(name.slice(2))}` : `-s ${quote(name.slice(1))}`))
  if (value?.kind === 'choice') parts.push(`-x -a ${quote(value.choices.join(' '))}`)
  if (value?.kind === 'file') parts.push('-r -F')
  if (value?.kind === 'text') parts.push('-x')
  return [...parts, `-d ${quote(description)}`].join(' ')
}

/** As one word of fish, which knows `\\` in single quotes. */
function quote(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`
}
