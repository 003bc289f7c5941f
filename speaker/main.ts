/** podrouted: flags, signals, exit codes. Everything else is in daemon.ts. */
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { defaultBinDirectory, defaultConfDirectory, installCni, uninstallCni } from '../cni/install.ts';
import { ConfigurationError, readConfiguration } from '../config/read.ts';
import { createLogger, type LogLevel } from '../lib/log.ts';
import { errorMessage } from '../lib/result.ts';
import { version } from '../lib/version.ts';

/** Exit codes: 0 ended as asked, 1 could not start or a bug, 2 wrong flags, 3 the configuration has problems. */
const EXIT = { failure: 1, usage: 2, configuration: 3 } as const;

const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];

function parseLogLevel(text: string): LogLevel {
  const level = logLevels.find((candidate) => candidate === text);
  if (level === undefined) throw new InvalidArgumentError(`must be one of ${logLevels.join(', ')}`);
  return level;
}

const program = new Command('podrouted')
  .description('BGP speaker of a node, or alone a route reflector: peers, kernel routes and pods.')
  .version(version)
  .option('-c, --config <path>', 'configuration: one YAML file or a directory of them')
  .option('-n, --node <name>', 'which Node of the configuration this is', process.env['NODENAME'])
  .option('--run-dir <path>', 'directory of the Unix sockets (default: as configured, else /run/podroute)')
  .option('--state-dir <path>', 'directory of what outlives a restart (default: as configured, else /var/lib/podroute)')
  .option('--log-level <level>', `${logLevels.join(', ')}; overrides the configuration`, parseLogLevel)
  .option('--check', 'read the configuration, report every problem, start nothing')
  .option('--install-cni', 'put the CNI plugin and its network configuration where runtimes look, and end')
  .option('--uninstall-cni', 'take both away again, and end')
  .option('--cni-bin-dir <path>', 'where runtimes look for plugins', defaultBinDirectory)
  .option('--cni-conf-dir <path>', 'where runtimes look for network configurations', defaultConfDirectory)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT.usage))
  .parse();

interface Flags {
  readonly config?: string;
  readonly installCni?: true;
  readonly uninstallCni?: true;
  readonly cniBinDir: string;
  readonly cniConfDir: string;
  readonly node?: string;
  readonly runDir?: string;
  readonly stateDir?: string;
  readonly logLevel?: LogLevel;
  readonly check?: true;
}

const flags = program.opts<Flags>();
if (flags.installCni === true || flags.uninstallCni === true) placePlugin(flags);
if (flags.config === undefined) {
  process.stderr.write("error: required option '-c, --config <path>' not specified\n");
  process.exit(EXIT.usage);
}
const source = { path: flags.config, node: flags.node, hostname: hostname() };

/** Installs the plugin or takes it away, and ends the process. */
function placePlugin({ installCni: isInstall, cniBinDir, cniConfDir }: Flags): never {
  const place = { binDirectory: cniBinDir, confDirectory: cniConfDir };
  try {
    const plugin = fileURLToPath(new URL('../build/podroute', import.meta.url));
    const paths = isInstall === true ? Object.values(installCni({ ...place, plugin })) : uninstallCni(place);
    for (const path of paths) process.stdout.write(`${isInstall === true ? 'installed' : 'removed'} ${path}\n`);
    if (paths.length === 0) process.stdout.write('nothing of podroute is there\n');
    process.exit(0);
  } catch (error) {
    process.stderr.write(`podrouted: ${errorMessage(error)}\n`);
    process.exit(EXIT.failure);
  }
}

function reportProblems(error: ConfigurationError): never {
  for (const line of error.lines) process.stderr.write(`${line}\n`);
  process.stderr.write(`podrouted: ${error.message}\n`);
  process.exit(EXIT.configuration);
}

if (flags.check === true) {
  try {
    const { state, warnings } = await readConfiguration(source);
    for (const line of warnings) process.stderr.write(`${line}\n`);
    const { node, peers, blocks } = state;
    process.stdout.write(
      `${flags.config}: node ${node.name}, AS ${node.asn}: ${peers.length} peers, ${blocks.length} blocks\n`,
    );
    process.exit(0);
  } catch (error) {
    if (error instanceof ConfigurationError) reportProblems(error);
    throw error;
  }
}

let log = createLogger(flags.logLevel ?? 'info');

process.on('uncaughtException', (error) => {
  log.error('bug', { stack: error.stack ?? String(error) });
  process.exit(EXIT.failure);
});
process.on('unhandledRejection', (reason) => {
  log.error('bug', { stack: reason instanceof Error ? (reason.stack ?? reason.message) : String(reason) });
  process.exit(EXIT.failure);
});

try {
  // Only now, so that --check needs neither the native addon nor the time to load everything.
  const { Daemon } = await import('./daemon.ts');
  const daemon = await Daemon.start({
    source,
    ...(flags.runDir === undefined ? {} : { runDirectory: flags.runDir }),
    ...(flags.stateDir === undefined ? {} : { stateDirectory: flags.stateDir }),
    createLog(level) {
      log = createLogger(flags.logLevel ?? level);
      return log;
    },
  });
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    log.info('stopping', { signal });
    daemon.stop().then(
      // Nothing is left that keeps the process alive but NOTIFICATIONs on their way out; they get a moment.
      () => setTimeout(() => process.exit(0), 1000).unref(),
      (error: unknown) => {
        log.error('stop failed', { error: errorMessage(error) });
        process.exit(EXIT.failure);
      },
    );
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  process.on('SIGHUP', () => {
    daemon.reload(false).catch((error: unknown) => {
      const problems = error instanceof ConfigurationError ? error.lines : [errorMessage(error)];
      for (const problem of problems) log.error('reload refused', { problem });
    });
  });
} catch (error) {
  if (error instanceof ConfigurationError) reportProblems(error);
  log.error('start failed', { error: errorMessage(error) });
  process.stderr.write(`podrouted: ${errorMessage(error)}\n`);
  process.exit(EXIT.failure);
}
