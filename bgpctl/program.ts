import { Argument, Command, Option } from 'commander';
import { Client } from './client.ts';
import type { Context } from './context.ts';
import { ExitCode } from './errors.ts';
import type { Terminal } from './terminal.ts';

/** Where the daemon's control socket is unless told otherwise. */
export const DEFAULT_SOCKET = '/run/podroute/podrouted.sock';

/** Environment variable that names another socket. */
export const SOCKET_VARIABLE = 'PODROUTE_API_SOCKET';

/** Families as they may be typed. */
const familyChoices = ['ipv4', 'ipv6', 'ipv4-unicast', 'ipv6-unicast'] as const;

/** What a word on the command line stands for; completion asks the daemon for the names. */
export const peerArgument = 'peer';

/**
 * The commands of bgpctl. Each one's code is loaded when it runs, so that the program starts without the others'.
 * @param env environment, for the socket's path and the colours
 */
export function buildProgram(terminal: Terminal, env: Readonly<Record<string, string | undefined>>): Command {
  const program = new Command('bgpctl')
    .description('Shows and steers podrouted, the BGP speaker of this node.')
    .option('--json', 'print JSON in the documented, stable shape (docs/api.md)')
    .addOption(
      new Option('--socket <path>', `control socket of the daemon (or ${SOCKET_VARIABLE})`).default(socketOf(env)),
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.write(text),
      writeErr: (text) => terminal.complain(text),
    })
    .showSuggestionAfterError()
    .showHelpAfterError('(bgpctl --help, or bgpctl COMMAND --help, says what there is)')
    .addHelpText('after', `\n${exitCodeHelp}`)
    .helpCommand(false);
  const context = (): Context => {
    const options = program.opts<{ json?: boolean; socket: string }>();
    return { client: new Client(options.socket), terminal, json: options.json === true };
  };
  addShow(program, context);
  program
    .command('explain')
    .description('why a prefix is here or not: every path, the rule that ranked it, policy, who is told, the kernel')
    .argument('<prefix>', 'a prefix, or an address for its longest match')
    .addOption(new Option('--peer <peer>', 'why it is not here from this peer, and what this peer is told'))
    .action(async (prefix: string, options: object) =>
      (await import('./commands/explain.ts')).explain(context(), prefix, options),
    );
  addPeerActions(program, context);
  addResources(program, context, env);
  addCluster(program, context);
  program
    .command('fib')
    .description("the kernel's forwarding table")
    .command('check')
    .description('compare the kernel with what it should hold; exit code 1 on any difference')
    .action(async () => (await import('./commands/fib.ts')).checkFib(context()));
  program
    .command('reload')
    .description('read the configuration again and apply the difference')
    .option('--dry-run', 'say what would change, and which sessions would reset, and change nothing')
    .action(async (options: { dryRun?: boolean }) => (await import('./commands/reload.ts')).reload(context(), options));
  program
    .command('health')
    .description('whether the daemon has done its own job; exit code 1 while not')
    .action(async () => (await import('./commands/version.ts')).showHealth(context()));
  program
    .command('status')
    .description('of the daemon itself: memory, and how long its event loop keeps sockets and timers waiting')
    .option('--reset', 'print the figures so far and begin to measure anew')
    .action(async (options: { reset?: boolean }) =>
      (await import('./commands/version.ts')).showStatus(context(), options),
    );
  program
    .command('version')
    .description('of bgpctl and of the daemon')
    .action(async () => {
      const { version } = await import('../lib/version.ts');
      return (await import('./commands/version.ts')).showVersion(context(), version);
    });
  program
    .command('completion')
    .description('print a completion script: source <(bgpctl completion bash)')
    .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: string) => (await import('./commands/completion.ts')).printCompletion(terminal, shell));
  return program;
}

const exitCodeHelp = `Exit codes: ${ExitCode.Ok} done, ${ExitCode.Refused} the daemon refused or a check failed, ${ExitCode.Usage} wrong command line, ${ExitCode.Away} no daemon answers.`;

function socketOf(env: Readonly<Record<string, string | undefined>>): string {
  const named = env[SOCKET_VARIABLE];
  return named === undefined || named === '' ? DEFAULT_SOCKET : named;
}

function addShow(program: Command, context: () => Context): void {
  const show = program.command('show').description('peers, routes, kernel routes, pods, address blocks');
  show
    .command('peers')
    .description('all peers, or everything about one')
    .argument(`[${peerArgument}]`, 'name or address')
    .action(async (peer: string | undefined) => (await import('./commands/peers.ts')).showPeers(context(), peer));
  show
    .command('routes')
    .description('the Loc-RIB; every attribute where a prefix or address is named')
    .argument('[prefix]', 'a prefix, or an address for its longest match')
    .addOption(new Option('--received <peer>', 'what the peer sent, before policy').conflicts(['advertised', 'best']))
    .addOption(new Option('--advertised <peer>', 'what the peer was sent').conflicts(['received', 'best']))
    .addOption(new Option('--best', 'only the best path of each prefix').conflicts(['received', 'advertised']))
    .addOption(new Option('--family <family>', 'only this family').choices(familyChoices))
    .option('--longer', 'everything inside the prefix')
    .action(async (prefix: string | undefined, options: object) =>
      (await import('./commands/routes.ts')).showRoutes(context(), prefix, options),
    );
  show
    .command('fib')
    .description("our routes in the kernel's forwarding table")
    .argument('[prefix]', 'a prefix, or an address for its longest match')
    .addOption(new Option('--family <family>', 'only this family').choices(familyChoices))
    .action(async (prefix: string | undefined, options: object) =>
      (await import('./commands/fib.ts')).showFib(context(), prefix, options),
    );
  show
    .command('pods')
    .description('pods wired by this node')
    .action(async () => (await import('./commands/pods.ts')).showPods(context()));
  show
    .command('blocks')
    .description('address blocks of this node')
    .action(async () => (await import('./commands/pods.ts')).showBlocks(context()));
}

function addResources(
  program: Command,
  context: () => Context,
  env: Readonly<Record<string, string | undefined>>,
): void {
  program
    .command('apply')
    .description('put resources into the store that the cluster shares, all or none')
    .requiredOption('-f, --filename <file...>', 'a file, a directory, or - for standard input')
    .option('--dry-run', 'say what would change, and change nothing')
    .option('--force', 'also where it cuts nodes off from each other')
    .action(async (options: { filename: string[]; dryRun?: boolean; force?: boolean }) =>
      (await import('./commands/resources.ts')).apply(context(), options),
    );
  program
    .command('plan')
    .description(
      'what applying resources would do to sessions and routes of every node; exit code 1 if it cuts nodes off',
    )
    .requiredOption('-f, --filename <file...>', 'a file, a directory, or - for standard input')
    .option('--node <name>', 'only for this node')
    .action(async (options: { filename: string[]; node?: string }) =>
      (await import('./commands/plan.ts')).plan(context(), options),
    );
  program
    .command('get')
    .description('resources in force on this node, from files, the store and registrations')
    .argument('[kind]', 'such as BGPPeer, or bgppeers')
    .argument('[name]')
    .addOption(new Option('-o, --output <format>', 'how').choices(['table', 'yaml']))
    .option('--explain', 'every field, and how it was understood')
    .action(async (kind: string | undefined, name: string | undefined, options: object) =>
      (await import('./commands/resources.ts')).get(context(), kind, name, options),
    );
  program
    .command('delete')
    .description('take a resource out of the store')
    .argument('<kind>')
    .argument('<name>')
    .option('--dry-run', 'say what would change, and change nothing')
    .option('--force', 'also where it cuts nodes off from each other')
    .action(async (kind: string, name: string, options: { dryRun?: boolean; force?: boolean }) =>
      (await import('./commands/resources.ts')).deleteResource(context(), kind, name, options),
    );
  program
    .command('edit')
    .description('change a resource of the store in an editor ($VISUAL, $EDITOR)')
    .argument('<kind>')
    .argument('<name>')
    .action(async (kind: string, name: string) =>
      (await import('./commands/resources.ts')).edit(context(), kind, name, env),
    );
  program
    .command('export')
    .description('print all resources of the store as one YAML text, which apply takes')
    .action(async () => (await import('./commands/resources.ts')).exportResources(context()));
}

function addCluster(program: Command, context: () => Context): void {
  program
    .command('node')
    .description('this node, its registration, and every node that registered')
    .action(async () => (await import('./commands/cluster.ts')).showNode(context()));
  const ipam = program.command('ipam').description("the cluster's pools and address blocks");
  ipam
    .command('show')
    .description('pools, blocks, who owns them, what is lent')
    .action(async () => (await import('./commands/cluster.ts')).showIpam(context()));
  ipam
    .command('check')
    .description('compare store, this node, its pods and the kernel; exit code 1 on any difference')
    .action(async () => (await import('./commands/cluster.ts')).checkIpam(context()));
}

function addPeerActions(program: Command, context: () => Context): void {
  program
    .command('clear')
    .description('reset the session with a peer')
    .argument(`<${peerArgument}>`, 'name or address')
    .option('--soft', 'evaluate routes again in both directions and keep the session')
    .action(async (peer: string, options: { soft?: boolean }) =>
      (await import('./commands/peer-actions.ts')).clearPeer(context(), peer, options),
    );
  program
    .command('shutdown')
    .description('take a peer down until it is enabled')
    .argument(`<${peerArgument}>`, 'name or address')
    .option('--message <text>', 'tell the peer why, at most 255 octets (RFC 9003)')
    .action(async (peer: string, options: { message?: string }) =>
      (await import('./commands/peer-actions.ts')).shutdownPeer(context(), peer, options),
    );
  program
    .command('drain')
    .description('announce that a session will go down, so that others route around it (RFC 8326)')
    .argument(`[${peerArgument}]`, 'name or address; the whole node without one')
    .option('--end', 'take it back')
    .action(async (peer: string | undefined, options: { end?: boolean }) =>
      (await import('./commands/peer-actions.ts')).drain(context(), peer, options),
    );
  program
    .command('enable')
    .description('end a shutdown')
    .argument(`<${peerArgument}>`, 'name or address')
    .action(async (peer: string) => (await import('./commands/peer-actions.ts')).enablePeer(context(), peer));
}
