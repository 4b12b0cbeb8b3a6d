// The daemon's logger: one JSON object a line on stderr, by pino, written at once (no worker, nothing lost at exit).
import type { Logger } from '../base/index.ts';
import type { LogLevel } from '../site/index.ts';

/** Opens the logger. Fields that are errors stand under `err`, as pino writes them. */
export async function openLogger(level: LogLevel, site: string): Promise<Logger> {
  const { destination, pino } = await import('pino');
  const options = {
    level,
    base: { pid: process.pid, site },
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const logger: Logger = pino(options, destination({ dest: 2, sync: true }));
  return logger;
}
