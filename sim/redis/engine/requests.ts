// Requests out of a connection's bytes: arrays of bulks, as mqkv's links send them, and inline lines.

export class Requests {
  #held = '';

  /** Adds bytes (latin1) and hands over each request that is complete. */
  feed(bytes: string, hear: (args: string[]) => void): void {
    this.#held = this.#held === '' ? bytes : this.#held + bytes;
    let at = 0;
    for (;;) {
      const end = this.#one(at, hear);
      if (end < 0) break;
      at = end;
    }
    this.#held = this.#held.slice(at);
  }

  /** Result: behind the request; -1: not all here. */
  #one(from: number, hear: (args: string[]) => void): number {
    const text = this.#held;
    const line = text.indexOf('\r\n', from);
    if (line < 0) return -1;
    if (text[from] !== '*') {
      const words = text
        .slice(from, line)
        .split(' ')
        .filter((word) => word !== '');
      if (words.length > 0) hear(words);
      return line + 2;
    }
    const count = Number(text.slice(from + 1, line));
    const args: string[] = [];
    let at = line + 2;
    for (let i = 0; i < count; i++) {
      const head = text.indexOf('\r\n', at);
      if (head < 0) return -1;
      const start = head + 2;
      const end = start + Number(text.slice(at + 1, head));
      if (text.length < end + 2) return -1;
      args.push(text.slice(start, end));
      at = end + 2;
    }
    hear(args);
    return at;
  }
}
