import { quote } from '../shell-word.ts'
import { type Flag, type Node, nodesOf } from './tree.ts'

/**
 * The script for bash. It starts nothing and evaluates nothing that stands on the line: what somebody pastes there and completes
 * must not run. Needs no bash-completion; bash breaks words at `=`, `:` and `@`, which is put together again here.
 */
export function bashScript(root: Node): string {
  const nodes = nodesOf(root)
  const words = nodes.map(node => {
    const names = node.commands.length > 0 ? node.commands.map(({ name }) => name) : node.choices
    return row(node.path, names)
  })
  const flags = nodes.map(node =>
    row(
      node.path,
      node.options.flatMap(({ names }) => names),
    ),
  )
  const choices = nodes.flatMap(node =>
    node.options.flatMap(({ names, value }) =>
      value?.kind === 'choice' ? names.map(name => row(`${node.path} ${name}`, value.choices)) : [],
    ),
  )
  const withValue = namesOf(nodes, ({ value }) => value !== null)
  const files = namesOf(nodes, ({ value }) => value?.kind === 'file')
  const groups = nodes.slice(1).map(({ path }) => path)
  const passing = nodes.filter(({ passes }) => passes).map(({ path }) => path)
  return `# completes writ in bash: eval "$(writ completion bash)"
_writ() {
  local cur=\${COMP_WORDS[COMP_CWORD]} path=${root.name} option= word i joined= words=
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word =~ ^[=:@]+$ ]]; then joined=1; continue; fi
    if [[ $joined ]]; then joined=; option=; continue; fi
    if [[ $option ]]; then option=; continue; fi
    [[ $word == -- ]] && return
    case "$path $word" in
      ${either(groups)}) path="$path $word"; continue ;;
      ${either(withValue)}) option=$word; continue ;;
    esac
    if [[ $word != -* ]]; then
      case $path in ${either(passing)}) return ;; esac
    fi
  done
  if [[ $cur =~ ^[=:@]+$ ]]; then joined=1; cur=; fi
  if [[ $option ]]; then
    case "$path $option" in
${choices.join('\n')}
      ${either(files)}) return ;;
    esac
  elif [[ ! $joined && $cur == -* ]]; then
    case $path in
${flags.join('\n')}
    esac
  elif [[ ! $joined ]]; then
    case $path in
      ${either(passing)}) return ;;
${words.join('\n')}
    esac
  fi
  compopt +o default 2>/dev/null
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _writ writ
`
}

function namesOf(nodes: readonly Node[], wanted: (flag: Flag) => boolean): string[] {
  return nodes.flatMap(node =>
    node.options.filter(wanted).flatMap(({ names }) => names.map(name => `${node.path} ${name}`)),
  )
}

const either = (paths: readonly string[]): string => paths.map(quote).join('|')

const row = (path: string, words: readonly string[]): string =>
  `      ${quote(path)}) words=${quote(words.join(' '))} ;;`
