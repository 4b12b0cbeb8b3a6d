// The command line: which command, and how a failure is told. Loads only what the command needs.
import { MqkvError, messageOf } from '../base/index.ts';

/** Runs `mqkv ARGS…` and ends the process with its exit code. */
export async function main(args: readonly string[]): Promise<void> {
  process.exit(await run(args));
}

/** Exit codes: 0 done, 1 failed, 2 wrongly called. A failure that is no bug is one line on stderr. */
async function run(args: readonly string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (error) {
    const told = error instanceof MqkvError;
    process.stderr.write(`mqkv: ${told ? oneLine(messageOf(error)) : bugReport(error)}\n`);
    return told && error.code === 'USAGE' ? 2 : 1;
  }
}

async function dispatch(args: readonly string[]): Promise<number> {
  const [command = '', ...rest] = args;
  if (command === 'version' || command === '--version' || command === '-v') return printVersion(rest);
  if (wantsHelp(args)) return printHelp(command.startsWith('-') || command === 'help' ? rest : [command]);
  if (command === 'serve') return (await import('./serve.ts')).serve(rest);
  if (command === 'demo') return (await import('./demo.ts')).demo(rest);
  if (command === 'repair') return (await import('./repair.ts')).repair(rest);
  return refuse(command);
}

async function printVersion(rest: readonly string[]): Promise<number> {
  if (rest[0] !== undefined) throw new MqkvError('USAGE', `unexpected argument "${rest[0]}" after version`);
  const { version } = await import('./version.ts');
  process.stdout.write(`mqkv ${version()}\n`);
  return 0;
}

function wantsHelp(args: readonly string[]): boolean {
  return args[0] === 'help' || args.includes('--help') || args.includes('-h');
}

async function printHelp(topics: readonly string[]): Promise<number> {
  const { COMMANDS, generalHelp, serveHelp } = await import('./help.ts');
  const topic = topics.find((word) => !word.startsWith('-'));
  if (topic !== undefined && !Object.hasOwn(COMMANDS, topic)) return refuse(topic);
  process.stdout.write(topic === 'serve' ? serveHelp() : generalHelp());
  return 0;
}

/** A command that there is not. */
async function refuse(command: string): Promise<number> {
  const { COMMANDS, LATER_COMMANDS } = await import('./help.ts');
  const { suggestion } = await import('../site/index.ts');
  const names = Object.keys(COMMANDS);
  if (LATER_COMMANDS.includes(command))
    throw new MqkvError('USAGE', `"${command}" is not available yet in this version`);
  const allowed = `the commands are ${names.join(', ')}`;
  if (command === '') throw new MqkvError('USAGE', `a command is missing; ${allowed}`);
  throw new MqkvError('USAGE', `unknown command "${command}"; ${allowed}${suggestion(command, names)}`);
}

function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ');
}

function bugReport(error: unknown): string {
  return `unexpected failure, this is a bug: ${error instanceof Error ? error.stack : String(error)}`;
}
