import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Name of the lab's only image; it serves as sandbox image too. No registry has it, so nothing ever pulls it. */
export const labImage = 'localhost/podroute-lab:1';

/** What the containers of the lab run, taken from this machine. */
const programs = ['sh', 'sleep', 'cat', 'ping', 'ip', 'iperf3'];

/** Waits for a signal, as the pause container of Kubernetes does: nothing else holds a pod's namespaces. */
const pauseSource = `#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int signal) { (void)signal; _exit(0); }
static void reap(int signal) { (void)signal; while (waitpid(-1, NULL, WNOHANG) > 0) { } }
int main(void) { signal(SIGINT, end); signal(SIGTERM, end); signal(SIGCHLD, reap); for (;;) pause(); }
`;

/**
 * Makes an image of this machine's own programs and their libraries, in the form of `docker save`, which containerd,
 * podman and docker all load.
 * @param directory an empty place for it
 * @returns path of the archive
 */
export function buildLabImage(directory: string): string {
  const root = join(directory, 'rootfs');
  for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'run'])
    mkdirSync(join(root, name), { recursive: true });
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\n');
  const source = join(directory, 'pause.c');
  writeFileSync(source, pauseSource);
  execFileSync('gcc', ['-Os', '-static', '-o', join(root, 'pause'), source], { stdio: 'pipe' });
  for (const program of programs) copyProgram(root, program);
  const layer = join(directory, 'layer.tar');
  execFileSync('tar', ['-C', root, '--owner=0', '--group=0', '-cf', layer, '.']);
  const layerDigest = createHash('sha256').update(readFileSync(layer)).digest('hex');
  const config = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Entrypoint: ['/pause'], Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layerDigest}`] },
  };
  writeFileSync(join(directory, 'config.json'), JSON.stringify(config));
  const manifest = [{ Config: 'config.json', RepoTags: [labImage], Layers: ['layer.tar'] }];
  writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest));
  const archive = join(directory, 'image.tar');
  execFileSync('tar', ['-C', directory, '-cf', archive, 'manifest.json', 'config.json', 'layer.tar']);
  return archive;
}

/** Copies a program to /bin and its libraries to where the loader looks for them. */
function copyProgram(root: string, name: string): void {
  const path = execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
  const real = realpathSync(path);
  copyFileSync(real, join(root, 'bin', basename(real)));
  if (basename(real) !== name) symlinkSync(basename(real), join(root, 'bin', name));
  for (const [, library] of execFileSync('ldd', [real], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g)) {
    const target = join(root, library ?? '');
    if (library === undefined || existsSync(target)) continue;
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(realpathSync(library), target);
  }
}
