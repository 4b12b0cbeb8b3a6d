// Arguments of redis-server.

/** `{ port: 1 }` as `--port 1`. */
export function flagsOf(settings: Readonly<Record<string, string | number>>): readonly string[] {
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
}
