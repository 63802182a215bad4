// What performance.mark() and measure() keep (User Timing), the newest ones.

const KEPT_MAX = 1000;

export function entries({ DOMException, structuredClone, now }) {
  class PerformanceEntry {
    constructor(name, entryType, startTime, duration, detail) {
      Object.assign(this, { name, entryType, startTime, duration });
      if (detail !== undefined) this.detail = detail;
    }
    toJSON() {
      return { ...this };
    }
  }
  class PerformanceMark extends PerformanceEntry {
    constructor(name, options = {}) {
      super(`${name}`, 'mark', Number(options?.startTime ?? now()), 0, detailOf(options));
    }
  }
  class PerformanceMeasure extends PerformanceEntry {}
  const detailOf = (options) => structuredClone(options?.detail ?? null);
  let kept = [];

  function keep(entry) {
    if (kept.length >= KEPT_MAX) kept.splice(0, KEPT_MAX / 10);
    kept.push(entry);
    return entry;
  }
  function timeOf(mark, otherwise) {
    if (mark === undefined || mark === null) return otherwise;
    if (typeof mark === 'number') return mark;
    const found = kept.findLast((e) => e.entryType === 'mark' && e.name === `${mark}`);
    if (found === undefined) throw new DOMException(`The mark "${mark}" does not exist.`, 'SyntaxError');
    return found.startTime;
  }
  const clear = (type) => (name) => {
    kept = kept.filter((e) => e.entryType !== type || (name !== undefined && e.name !== `${name}`));
  };
  const sorted = (test) => kept.filter(test).sort((a, b) => a.startTime - b.startTime);
  const timeline = {
    mark: (name, options) => keep(new PerformanceMark(name, options)),
    measure(name, start = undefined, end = undefined) {
      const options = typeof start === 'object' && start !== null ? start : { start, end };
      let to = timeOf(options.end, undefined);
      const { duration } = options;
      to ??= duration !== undefined && options.start !== undefined ? timeOf(options.start) + duration : now();
      const from = duration !== undefined && options.start === undefined ? to - duration : timeOf(options.start, 0);
      return keep(new PerformanceMeasure(`${name}`, 'measure', from, to - from, detailOf(options)));
    },
    clearMarks: clear('mark'),
    clearMeasures: clear('measure'),
    getEntries: () => sorted(() => true),
    getEntriesByName: (name, type = undefined) => sorted((e) => e.name === `${name}` && (type === undefined || e.entryType === type)),
    getEntriesByType: (type) => sorted((e) => e.entryType === `${type}`),
  };
  return { PerformanceEntry, PerformanceMark, PerformanceMeasure, timeline };
}
