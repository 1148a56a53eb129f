// Figures over time: the rows that the pipeline tells, in columns, and what follows from them.

const MOST = 5000; // rows; beyond it every second one of the older half goes
const GAP_S = 150; // rows further apart are not joined

export class Rows {
  constructor(names) {
    this.columns = Object.fromEntries(names.map((name) => [name, []]));
    this.names = names;
  }

  get length() {
    return this.columns.time_s.length;
  }

  add(rows) {
    for (const row of rows) {
      this.names.forEach((name, i) => this.columns[name].push(row[i]));
    }
    while (this.length > MOST) {
      const half = this.length >> 1;
      for (const name of this.names) {
        this.columns[name] = this.columns[name].filter((_, i) => i > half || i % 2 === 1);
      }
    }
  }

  last(name) {
    const column = this.columns[name];
    return column.length ? column[column.length - 1] : null;
  }

  // How a total grew a second, between each row and the one before.
  rate(name) {
    const { [name]: total, time_s: time } = this.columns;
    return total.map((value, i) => {
      const past = i ? time[i] - time[i - 1] : 0;
      const more = i ? value - total[i - 1] : 0;
      return past > 0 && past < GAP_S && more >= 0 ? more / past : null;
    });
  }

  // How much one total grew for each of another, over the last `span_s` seconds before each row.
  share(part, of, span_s) {
    const { [part]: some, [of]: all, time_s: time } = this.columns;
    let from = 0;
    return time.map((now, i) => {
      while (from < i && time[from + 1] <= now - span_s) from += 1;
      const grown = all[i] - all[from];
      return grown > 0 && some[i] >= some[from] ? (some[i] - some[from]) / grown : null;
    });
  }

  // Times at which a total has grown.
  jumps(name) {
    const { [name]: total, time_s: time } = this.columns;
    return time.filter((_, i) => i > 0 && total[i] > total[i - 1]);
  }
}
