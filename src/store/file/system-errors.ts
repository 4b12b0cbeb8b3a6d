// Failures of the system in words that users understand.
import { MqkvError } from '../../base/index.ts';

/** The system's codes that users meet, in words. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'not permitted',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
  ENOENT: 'the folder above it does not exist',
  ENOTDIR: 'it is not a folder',
  EEXIST: 'it is not a folder',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EIO: 'input/output error',
  ENAMETOOLONG: 'the name is too long',
};

/** One line for a failure of the system. */
export function folderError(path: string, error: unknown): MqkvError {
  const code = codeOf(error);
  const reason = REASONS[code] ?? (error instanceof Error ? error.message : String(error));
  return new MqkvError('STORE_FOLDER', `cannot use the folder "${path}": ${reason}`, { cause: error });
}

/** The system's code of an error; '': it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
