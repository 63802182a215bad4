// TextEncoder, TextDecoder (utf-8, utf-16le, latin1), atob, btoa.

import { DOMException } from './events.js';
import { viewOf } from './views.js';

const LABELS = new Map([
  ['utf-8', 'utf-8'], ['utf8', 'utf-8'], ['unicode-1-1-utf-8', 'utf-8'],
  ['utf-16le', 'utf-16le'], ['utf-16', 'utf-16le'], ['ucs-2', 'utf-16le'],
  ['latin1', 'windows-1252'], ['iso-8859-1', 'windows-1252'], ['ascii', 'windows-1252'],
  ['us-ascii', 'windows-1252'], ['windows-1252', 'windows-1252'], ['cp1252', 'windows-1252'],
]);
// windows-1252 differs from Latin-1 in these 32 bytes.
const HIGH = '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d' +
  '\u017d\x8f\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d' +
  '\u017e\u0178';

export class TextEncoder {
  get encoding() {
    return 'utf-8';
  }
  encode(text = '') {
    return native.utf8Encode(`${text}`);
  }
  encodeInto(text, target) {
    text = `${text}`;
    let read = 0;
    let written = 0;
    for (const c of text) {
      const bytes = native.utf8Encode(c);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      written += bytes.length;
      read += c.length;
    }
    return { read, written };
  }
}

function bytesOf(input) {
  const bytes = input === undefined ? EMPTY : viewOf(input);
  if (bytes === undefined) throw new TypeError('TextDecoder: the input is neither an ArrayBuffer nor a view');
  return bytes;
}

function joined(a, b) {
  if (a.length === 0) return b;
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

const EMPTY = new Uint8Array(0);

export class TextDecoder {
  #encoding;
  #fatal;
  #ignoreBom;
  #rest = EMPTY;
  #started = false;
  constructor(label = 'utf-8', options = {}) {
    this.#encoding = LABELS.get(`${label}`.trim().toLowerCase());
    if (this.#encoding === undefined) {
      throw new RangeError(`TextDecoder: the encoding "${label}" is not supported`);
    }
    this.#fatal = !!options?.fatal;
    this.#ignoreBom = !!options?.ignoreBOM;
  }
  get encoding() {
    return this.#encoding;
  }
  get fatal() {
    return this.#fatal;
  }
  get ignoreBOM() {
    return this.#ignoreBom;
  }
  decode(input = undefined, options = {}) {
    const stream = !!options?.stream;
    const bytes = joined(this.#rest, bytesOf(input));
    this.#rest = EMPTY;
    let text;
    if (this.#encoding === 'utf-8') text = this.#utf8(bytes, stream);
    else if (this.#encoding === 'utf-16le') text = this.#utf16(bytes, stream);
    else text = native.latin1Decode(bytes).replace(/[\x80-\x9f]/g, (c) => HIGH[c.charCodeAt(0) - 128]);
    if (!this.#started && text.length !== 0) {
      this.#started = true;
      if (!this.#ignoreBom && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    if (!stream) this.#started = false;
    return text;
  }
  #utf8(bytes, stream) {
    if (stream) {
      const tail = incompleteUtf8(bytes);
      if (tail !== 0) this.#rest = bytes.slice(bytes.length - tail);
    }
    const text = native.utf8Decode(bytes, this.#fatal, stream);
    if (text === null) throw new TypeError('TextDecoder: the bytes are not valid UTF-8');
    return text;
  }
  #utf16(bytes, stream) {
    let end = bytes.length & ~1;
    if (stream && end >= 2 && (bytes[end - 1] & 0xfc) === 0xd8) end -= 2;
    let text = '';
    for (let i = 0; i < end; i += 2) text += String.fromCharCode(bytes[i] | (bytes[i + 1] << 8));
    if (stream) this.#rest = bytes.slice(end);
    else if (end !== bytes.length) text += '\ufffd';
    if (this.#fatal && (!text.isWellFormed() || (!stream && end !== bytes.length))) {
      throw new TypeError('TextDecoder: the bytes are not valid UTF-16');
    }
    return text.toWellFormed();
  }
}

// As js_utf8_incomplete in C, which leaves these bytes out.
function incompleteUtf8(bytes) {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const c = bytes[bytes.length - back];
    if (c < 0x80) return 0;
    if (c >= 0xc0) {
      const part = bytes.slice(bytes.length - back);
      return native.utf8Decode(part, false, true) === '' ? back : 0;
    }
  }
  return 0;
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

export function btoa(text) {
  text = `${text}`;
  let out = '';
  for (let i = 0; i < text.length; i += 3) {
    const a = text.charCodeAt(i), b = text.charCodeAt(i + 1), c = text.charCodeAt(i + 2);
    if (a > 255 || b > 255 || c > 255) {
      throw new DOMException('btoa() can only operate on characters in the Latin1 (ISO/IEC 8859-1) range.', 'InvalidCharacterError');
    }
    out += ALPHABET[a >> 2] + ALPHABET[((a & 3) << 4) | (b >> 4)];
    out += i + 1 < text.length ? ALPHABET[((b & 15) << 2) | (c >> 6)] : '=';
    out += i + 2 < text.length ? ALPHABET[c & 63] : '=';
  }
  return out;
}

export function atob(text) {
  text = `${text}`.replace(/[\t\n\f\r ]+/g, '');
  if (text.length % 4 === 0) text = text.replace(/==?$/, '');
  if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text)) {
    throw new DOMException('atob() called with invalid base64-encoded data.', 'InvalidCharacterError');
  }
  let out = '';
  let bits = 0;
  let have = 0;
  for (let i = 0; i < text.length; i++) {
    bits = ((bits << 6) | ALPHABET.indexOf(text[i])) & 0xffffff;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out += String.fromCharCode((bits >> have) & 255);
    }
  }
  return out;
}
