// ctx.storage.sql: queries run up to their first rows at once; the rest is fetched as it is read.

import { putOwn } from './copy.js';
import { viewOf } from './views.js';

const AHEAD = 128; // rows that one call fetches

// Keeps a query of C's from outliving the cursor that was not read to its end.
const forgotten = new FinalizationRegistry((query) => native.storageQueryEnd(query));

function bindingOf(value) {
  switch (typeof value) {
    case 'undefined': return null;
    case 'number': case 'string': return value;
    case 'bigint': throw new TypeError('Cannot convert a BigInt value to a number');
    case 'object':
      if (value === null) return null;
      return viewOf(value) ?? `${value}`;
    default: return `${value}`;
  }
}

class SqlStorageCursor {
  #query = 0; // 0: all rows are here
  #columns;
  #rows; // values of the rows that were fetched, one after the other
  #at = 0; // of the next row's first value
  #read;
  #written;
  constructor(store, sql, bindings) {
    const answer = native.storageQuery(store.check(), sql, AHEAD, ...bindings.map(bindingOf));
    this.#columns = answer[3];
    this.#take(answer);
  }
  // [query or 0, rows read, rows written, names of columns, values ...]
  #take(answer) {
    this.#query = answer[0];
    this.#read = answer[1];
    this.#written = answer[2];
    this.#rows = answer;
    this.#at = 4;
    if (this.#query !== 0) forgotten.register(this, this.#query, this);
  }
  // The values of the next row, or null.
  #next() {
    if (this.#at === this.#rows.length) {
      if (this.#query === 0) return null;
      const query = this.#query;
      this.#query = 0;
      forgotten.unregister(this); // the number may be another's from now on
      this.#take(native.storageRows(query, AHEAD));
      if (this.#at === this.#rows.length) return null;
    }
    const row = this.#rows.slice(this.#at, this.#at + this.#columns.length);
    this.#at += row.length;
    return row;
  }
  #object(row) {
    const object = {};
    for (let i = 0; i < row.length; i++) putOwn(object, this.#columns[i], row[i]);
    return object;
  }
  next() {
    const row = this.#next();
    return row === null ? { done: true, value: undefined } : { done: false, value: this.#object(row) };
  }
  [Symbol.iterator]() {
    return this;
  }
  toArray() {
    return [...this];
  }
  one() {
    const row = this.#next();
    if (row === null) throw new Error('Expected exactly one result from SQL query, but got no results.');
    if (this.#next() !== null) throw new Error('Expected exactly one result from SQL query, but got multiple results.');
    return this.#object(row);
  }
  raw() {
    const next = () => {
      const row = this.#next();
      return row === null ? { done: true, value: undefined } : { done: false, value: row };
    };
    return {
      next,
      toArray() {
        return [...this];
      },
      [Symbol.iterator]() {
        return this;
      },
    };
  }
  get columnNames() {
    return [...this.#columns];
  }
  get rowsRead() {
    return this.#read;
  }
  get rowsWritten() {
    return this.#written;
  }
  get [Symbol.toStringTag]() {
    return 'SqlStorageCursor';
  }
}

export class SqlStorage {
  #store;
  constructor(store) {
    this.#store = store;
  }
  exec(query, ...bindings) {
    return new SqlStorageCursor(this.#store, `${query}`, bindings);
  }
  get databaseSize() {
    return native.storageSize(this.#store.check());
  }
  get Cursor() {
    return SqlStorageCursor;
  }
}
