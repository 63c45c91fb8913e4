/**
 * `cairn completions SHELL`
 *
 * The scripts are our own because the verbs are loaded one by one and a vault is completed by its colon: the
 * command-line library's generator knows neither.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import type * as Manual from "./Manual.ts"
import * as Manuals from "./Manuals.ts"
import * as Verb from "./Verb.ts"
import * as Verbs from "./Verbs.ts"

const shells = ["bash", "zsh", "fish"] as const

const longName = ({ names }: Manual.Option): string => names.at(-1) ?? ""
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** Vault names with their colons, asked of the binary itself; nothing where it fails. */
const vaults = "cairn vault list --quiet 2>/dev/null </dev/null"

const bash = (
  manuals: ReadonlyArray<Manual.Manual>
): string => `# bash completion for cairn: source <(cairn completions bash)
_cairn() {
  local word=\${COMP_WORDS[COMP_CWORD]} verb= each
  for each in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $each in -*) ;; *) verb=$each; break ;; esac
  done
  COMPREPLY=()
  if [[ -z $verb ]]; then
    COMPREPLY=($(compgen -W '${[...Verbs.names, "--help", "--version"].join(" ")}' -- "$word"))
    return
  fi
  if [[ $word == -* ]]; then
    local options=
    case $verb in
${manuals.map((each) => `      ${each.name}) options='${each.options.flatMap(({ names }) => names).join(" ")}' ;;`).join("\n")}
    esac
    COMPREPLY=($(compgen -W "$options" -- "$word"))
    return
  fi
  case "$verb \${COMP_WORDS[COMP_CWORD-1]}" in
${manuals
  .flatMap(({ name, options }) =>
    options
      .filter(({ choices }) => choices.length > 0)
      .map(
        (each) =>
          `    '${name} ${longName(each)}') COMPREPLY=($(compgen -W '${each.choices.join(" ")}' -- "$word")); return ;;`
      )
  )
  .concat(
    Object.entries(Verbs.actions).map(
      ([name, actions]) =>
        `    '${name} ${name}') COMPREPLY=($(compgen -W '${actions.join(" ")}' -- "$word")); return ;;`
    )
  )
  .join("\n")}
  esac
  # a colon ends a word for readline: what follows one is a path in a vault, which is not completed
  if [[ $word != */* && $word != *:* ]]; then
    COMPREPLY=($(compgen -W "$(${vaults} | sed 's/ .*//')" -- "$word"))
  fi
}
complete -o default -F _cairn cairn
`

const zsh = (manuals: ReadonlyArray<Manual.Manual>): string => {
  const spec = (each: Manual.Option): ReadonlyArray<string> => {
    const does = each.does.replace(/[[\]:\\]/g, "\\$&")
    const value =
      each.value === undefined
        ? ""
        : `:${each.value}:${each.choices.length > 0 ? `(${each.choices.join(" ")})` : "_files"}`
    const others = each.repeats ? "*" : `(${each.names.join(" ")})`
    return each.names.map((name) => quoted(`${others}${name}[${does}]${value}`))
  }
  return `#compdef cairn
# zsh completion for cairn: source <(cairn completions zsh), or as _cairn in a folder of $fpath
_cairn_operands() {
  local -a known
  known=(\${(f)"$(${vaults} | sed 's/ .*//')"})
  compadd -S '' -- $known
  _files
}
_cairn() {
  local -a verbs
  verbs=(
${Verbs.names.map((name) => `    ${quoted(`${name}:${Verbs.find(name)?.does ?? ""}`)}`).join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
${manuals
  .map(({ name, options }) => {
    const actions = Verbs.actions[name]
    const first = actions === undefined ? "" : ` ${quoted(`1:action:(${actions.join(" ")})`)}`
    return `    ${name}) _arguments -s ${options.flatMap(spec).join(" ")}${first} '*:file or vault:_cairn_operands' ;;`
  })
  .join("\n")}
  esac
}
if [[ $funcstack[1] == _cairn ]]; then _cairn "$@"; else compdef _cairn cairn; fi
`
}

const fish = (manuals: ReadonlyArray<Manual.Manual>): string => {
  const none = "__fish_use_subcommand"
  const after = (name: string) => `__fish_seen_subcommand_from ${name}`
  const flag = (name: string, each: Manual.Option): string =>
    [
      `complete -c cairn -n ${quoted(after(name))}`,
      ...each.names.map((spelled) => (spelled.startsWith("--") ? `-l ${spelled.slice(2)}` : `-s ${spelled.slice(1)}`)),
      ...(each.value === undefined ? [] : [each.choices.length > 0 ? `-x -a ${quoted(each.choices.join(" "))}` : "-r"]),
      `-d ${quoted(each.does)}`
    ].join(" ")
  return `${[
    "# fish completion for cairn: cairn completions fish | source",
    ...Verbs.names.map(
      (name) => `complete -c cairn -n ${none} -f -a ${name} -d ${quoted(Verbs.find(name)?.does ?? "")}`
    ),
    ...manuals.flatMap(({ name, options }) => options.map((each) => flag(name, each))),
    ...Object.entries(Verbs.actions).map(
      ([name, actions]) => `complete -c cairn -n ${quoted(after(name))} -a ${quoted(actions.join(" "))}`
    ),
    `complete -c cairn -n 'not ${none}' -a "(${vaults} | string replace -r ' .*' '')"`
  ].join("\n")}\n`
}

/** The script of each shell, for verbs with these manuals. @since 0.1.0 @category conversions */
export const scripts = { bash, zsh, fish } as const

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "completions",
  description: "Prints the completions for a shell: completions bash · completions zsh · completions fish",
  config: { shell: Verb.operand("bash|zsh|fish") },
  handler: ({ shell }, common) =>
    Effect.gen(function* () {
      const known = shells.find((each) => each === shell)
      if (known === undefined)
        return yield* new Argv.Usage({ problem: `no completions for ${shell}: there are ${shells.join(", ")}` })
      const script = scripts[known](yield* Manuals.all)
      yield* Console.emit(common, { type: "text", text: script }, script.trimEnd())
      return exitCode.done
    })
})
