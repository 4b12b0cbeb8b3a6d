// Preloaded into a server under test (`node --import`): on SIGUSR2 prints the longest garbage collection and the longest stop of
// the event loop since the last time, as one JSON line on stderr.
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';

let gcMs = 0;
let gcCount = 0;
const note = (entries) => {
  for (const { duration } of entries) {
    gcMs = Math.max(gcMs, duration);
    gcCount++;
  }
};
const observer = new PerformanceObserver((list) => note(list.getEntries()));
observer.observe({ entryTypes: ['gc'] });
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();

process.on('SIGUSR2', () => {
  note(observer.takeRecords());
  process.stderr.write(`${JSON.stringify({ pauses: { gcMsMax: gcMs, gcCount, loopMsMax: delay.max / 1e6 } })}\n`);
  gcMs = 0;
  gcCount = 0;
  delay.reset();
});
