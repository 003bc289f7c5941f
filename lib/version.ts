import packageJson from '../package.json' with { type: 'json' };

/** Version of podroute, the same for daemon, CLI and CNI plugin. */
export const version: string = packageJson.version;
