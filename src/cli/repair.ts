// `mqkv repair DIR`: makes the damaged folder of a log store usable again and says what is lost.
import { MqkvError, messageOf, systemClock, systemRandom } from '../base/index.ts';
import { repairStore } from '../site/index.ts';

/** Repairs a folder. Resolves with the exit code. Errors: MqkvError `USAGE`, and those of the store. */
export async function repair(args: readonly string[]): Promise<number> {
  const [path, more] = args;
  if (path === undefined || path.startsWith('-'))
    throw new MqkvError('USAGE', 'repair needs a folder: mqkv repair DIR');
  if (more !== undefined) throw new MqkvError('USAGE', `unexpected argument "${more}" after the folder`);
  const hold = setInterval(() => {}, 60_000);
  try {
    const { damage, keys } = await repairStore(path.replace(/^file:/, ''), {
      clock: systemClock,
      random: systemRandom(),
    });
    for (const line of damage) process.stdout.write(`${line}\n`);
    const done =
      damage.length === 0
        ? 'nothing is damaged'
        : 'repaired; the next start is compared with the other sites';
    process.stdout.write(`${done}, ${keys} keys\n`);
    return 0;
  } catch (error) {
    if (error instanceof MqkvError) throw error;
    throw new MqkvError('REPAIR', `cannot repair "${path}": ${messageOf(error)}`, { cause: error });
  } finally {
    clearInterval(hold);
  }
}
