import type { Argument, Command, Option } from 'commander';
import type { PeersReply } from '../../lib/api.ts';
import { Client } from '../client.ts';
import { peerArgument } from '../program.ts';
import type { Terminal } from '../terminal.ts';

/** A word that could come next, and what it means. */
export interface Candidate {
  readonly word: string;
  readonly meaning: string;
}

/** Prints the completion script of a shell. Scripts ask `bgpctl __complete WORDS...`, so they know new commands by themselves. */
export async function printCompletion(terminal: Terminal, shell: string): Promise<void> {
  await terminal.write(scripts[shell] ?? '');
}

/** Prints candidates for the last of `words` (the words after the program's name), one a line: word, tab, meaning. */
export async function printCandidates(program: Command, words: readonly string[], terminal: Terminal): Promise<void> {
  for (const { word, meaning } of await candidates(program, words)) await terminal.write(`${word}\t${meaning}\n`);
}

/** What the last of `words` could become. A daemon that is away has no names to offer, which is no error here. */
export async function candidates(program: Command, words: readonly string[]): Promise<readonly Candidate[]> {
  const current = words.at(-1) ?? '';
  const state = walk(program, words.slice(0, -1));
  const peers = (): Promise<readonly Candidate[]> => peerCandidates(state.socket);
  let found: readonly Candidate[];
  const assigned = /^(--[^=]+)=/.exec(current);
  if (state.pending !== undefined) found = await valuesOf(state.pending, peers);
  else if (assigned !== null) {
    const option = optionsOf(state.command).find((one) => one.long === assigned[1]);
    const values = option === undefined ? [] : await valuesOf(option, peers);
    found = values.map(({ word, meaning }) => ({ word: `${assigned[1]}=${word}`, meaning }));
  } else if (current.startsWith('-')) found = optionCandidates(state.command);
  else if (state.command.commands.length > 0) found = commandCandidates(state.command);
  else found = await argumentCandidates(state.command.registeredArguments[state.positionals], peers);
  return found.filter(({ word }) => word.startsWith(current));
}

interface State {
  command: Command;
  positionals: number;
  /** An option that still wants its value. */
  pending: Option | undefined;
  socket: string;
}

/** Follows complete words down the tree of commands. */
function walk(program: Command, words: readonly string[]): State {
  const state: State = {
    command: program,
    positionals: 0,
    pending: undefined,
    socket: String(program.getOptionValue('socket')),
  };
  for (const word of words) {
    if (state.pending !== undefined) {
      if (state.pending.long === '--socket') state.socket = word;
      state.pending = undefined;
    } else if (word.startsWith('--socket=')) state.socket = word.slice('--socket='.length);
    else if (word.startsWith('-'))
      state.pending = optionsOf(state.command).find((one) => one.long === word && one.required);
    else {
      const sub = state.command.commands.find((one) => one.name() === word);
      if (sub === undefined) state.positionals++;
      else {
        state.command = sub;
        state.positionals = 0;
      }
    }
  }
  return state;
}

/** Options of a command and of those above it. */
function optionsOf(command: Command): readonly Option[] {
  const all: Option[] = [];
  for (let one: Command | null = command; one !== null; one = one.parent) all.push(...one.options);
  return all;
}

function optionCandidates(command: Command): readonly Candidate[] {
  const own = optionsOf(command).map((option) => ({
    word: option.long ?? option.short ?? '',
    meaning: option.description,
  }));
  return [...own, { word: '--help', meaning: 'display help' }];
}

function commandCandidates(command: Command): readonly Candidate[] {
  return command.commands.map((one) => ({ word: one.name(), meaning: one.description() }));
}

async function valuesOf(option: Option, peers: () => Promise<readonly Candidate[]>): Promise<readonly Candidate[]> {
  if (option.flags.includes(`<${peerArgument}>`)) return peers();
  return (option.argChoices ?? []).map((word) => ({ word, meaning: option.description }));
}

async function argumentCandidates(
  argument: Argument | undefined,
  peers: () => Promise<readonly Candidate[]>,
): Promise<readonly Candidate[]> {
  if (argument === undefined) return [];
  if (argument.name() === peerArgument) return peers();
  return (argument.argChoices ?? []).map((word) => ({ word, meaning: argument.description }));
}

async function peerCandidates(socket: string): Promise<readonly Candidate[]> {
  try {
    const { peers } = await new Client(socket).get<PeersReply>('/v1/peers');
    const meaning = (peer: PeersReply['peers'][number]): string =>
      `${peer.address}, AS ${peer.remoteAs ?? '?'}, ${peer.state}`;
    return peers.map((peer) => ({ word: peer.name, meaning: meaning(peer) }));
  } catch {
    return [];
  }
}

const scripts: Readonly<Record<string, string>> = {
  bash: `# bash completion for bgpctl: source <(bgpctl completion bash)
_bgpctl() {
  local IFS=$' \\t\\n' line=\${COMP_LINE:0:COMP_POINT} current cut candidate meaning
  local -a words
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  current=\${words[\${#words[@]}-1]}
  # readline replaces only what follows the last = or : of the word
  cut=\${current%"\${current##*[:=]}"}
  COMPREPLY=()
  while IFS=$'\\t' read -r candidate meaning; do
    COMPREPLY+=("\${candidate:\${#cut}}")
  done < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
}
complete -o bashdefault -o default -F _bgpctl bgpctl
`,
  zsh: `#compdef bgpctl
# zsh completion for bgpctl: source <(bgpctl completion zsh), or as _bgpctl in a directory of $fpath
_bgpctl() {
  local line
  local -a described
  for line in "\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( \${#described} )); then
    _describe -t words bgpctl described
  else
    _files
  fi
}
if [[ \${zsh_eval_context[-1]} == loadautofunc ]]; then
  _bgpctl "$@"
else
  compdef _bgpctl bgpctl
fi
`,
  fish: `# fish completion for bgpctl: bgpctl completion fish | source
complete -c bgpctl -f -a '(bgpctl __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
complete -c bgpctl -l socket -r -F
`,
};
