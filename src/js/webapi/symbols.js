// First of all: the engine's release has no explicit resource management, but stubs, timers and
// libraries use its symbols.

for (const name of ['dispose', 'asyncDispose']) {
  if (!(name in Symbol)) Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`) });
}
