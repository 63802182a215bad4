// Resolves cloudflare:workers to the stub beside this file, and lets extensionless imports find .js.
const stub = new URL('./cloudflare-workers.mjs', import.meta.url).href;

export async function resolve(specifier, context, next) {
  if (specifier === 'cloudflare:workers') return { url: stub, shortCircuit: true };
  try {
    return await next(specifier, context);
  } catch (error) {
    if (!specifier.startsWith('.') || specifier.endsWith('.js')) throw error;
    return next(`${specifier}.js`, context);
  }
}

export async function load(url, context, next) {
  const inPackage = url.includes('/node_modules/@cloudflare/') && url.endsWith('.js');
  return next(url, inPackage ? { ...context, format: 'module' } : context);
}
