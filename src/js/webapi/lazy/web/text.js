// TextEncoderStream and TextDecoderStream (Encoding, WHATWG).

const HIGH = /[\ud800-\udbff]$/;

export function textStreams({ streams, TextDecoder, TextEncoder }) {
  class TextEncoderStream {
    #pair;
    constructor() {
      const encoder = new TextEncoder();
      let high = ''; // half a character whose other half is in the next chunk
      this.#pair = new (streams().TransformStream)({
        transform(chunk, controller) {
          let text = high + chunk;
          high = HIGH.exec(text)?.[0] ?? '';
          text = high === '' ? text : text.slice(0, -1);
          if (text !== '') controller.enqueue(encoder.encode(text));
        },
        flush(controller) {
          if (high !== '') controller.enqueue(encoder.encode(high));
        },
      });
    }
    get encoding() {
      return 'utf-8';
    }
    get readable() {
      return this.#pair.readable;
    }
    get writable() {
      return this.#pair.writable;
    }
    get [Symbol.toStringTag]() {
      return 'TextEncoderStream';
    }
  }

  class TextDecoderStream {
    #decoder;
    #pair;
    constructor(label = 'utf-8', options = {}) {
      const decoder = new TextDecoder(label, options);
      this.#decoder = decoder;
      this.#pair = new (streams().TransformStream)({
        transform(chunk, controller) {
          if (chunk === undefined) throw new TypeError('TextDecoderStream: a chunk is not bytes.');
          const text = decoder.decode(chunk, { stream: true });
          if (text !== '') controller.enqueue(text);
        },
        flush(controller) {
          const text = decoder.decode();
          if (text !== '') controller.enqueue(text);
        },
      });
    }
    get encoding() {
      return this.#decoder.encoding;
    }
    get fatal() {
      return this.#decoder.fatal;
    }
    get ignoreBOM() {
      return this.#decoder.ignoreBOM;
    }
    get readable() {
      return this.#pair.readable;
    }
    get writable() {
      return this.#pair.writable;
    }
    get [Symbol.toStringTag]() {
      return 'TextDecoderStream';
    }
  }
  return { TextDecoderStream, TextEncoderStream };
}
