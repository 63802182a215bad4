// hono's router, middleware, streaming and JWT helper; jose's tokens; a request signed by aws4fetch;
// a sandbox. `/checks` runs what has an answer that can be known and names what failed.
import { Sandbox, getSandbox } from '@cloudflare/sandbox';
import { AwsClient } from 'aws4fetch';
import { Hono } from 'hono';
import { sign, verify } from 'hono/jwt';
import { logger } from 'hono/logger';
import { stream } from 'hono/streaming';
import * as jose from 'jose';

export class Box extends Sandbox {}

type Env = { Bindings: { BOX: unknown; TOKEN_SECRET: string } };

const app = new Hono<Env>();

app.use('*', async (c, next) => {
  await next();
  c.header('x-served-by', 'hono');
});
app.use('/logged', logger());

app.get('/', (c) => c.text('hono'));
app.get('/logged', (c) => c.text('logged'));
app.get('/hello/:name', (c) => c.json({ hello: c.req.param('name') }));
app.post('/echo', async (c) => c.json(await c.req.json()));
app.get('/stream', (c) => stream(c, async (out) => {
  for (const part of ['one ', 'two ', 'three']) await out.write(part);
}));

app.get('/token', async (c) => {
  const secret = new TextEncoder().encode(c.env.TOKEN_SECRET);
  const token = await new jose.SignJWT({ sub: 'load' }).setProtectedHeader({ alg: 'HS256' })
    .setIssuedAt().setExpirationTime('1m').sign(secret);
  const { payload } = await jose.jwtVerify(token, secret);
  return c.text(String(payload.sub));
});

app.get('/signed', async (c) => {
  const aws = new AwsClient({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' });
  const request = await aws.sign('https://bucket.s3.us-east-1.amazonaws.com/key?list-type=2', { method: 'PUT', body: 'x' });
  return c.text(request.headers.get('authorization') ?? '');
});

app.get('/sandbox', async (c) => {
  const box = getSandbox(c.env.BOX, 'load');
  const result = await box.exec('echo from inside');
  await box.destroy();
  return c.text(result.stdout);
});

app.onError((error, c) => c.text(`${error.name}: ${error.message}`, 500));

const text = (t: string) => new TextEncoder().encode(t);

// The example of the AWS documentation of Signature Version 4.
async function knownSignature() {
  const aws = new AwsClient({
    accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', service: 'iam', region: 'us-east-1',
  });
  const request = await aws.sign('https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08', {
    headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
    aws: { datetime: '20150830T123600Z', allHeaders: true },
  });
  const got = request.headers.get('authorization') ?? '';
  return got.endsWith('Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7') || got;
}

async function signed(alg: string) {
  const { privateKey, publicKey } = await jose.generateKeyPair(alg, { extractable: true });
  const again = await jose.importJWK(await jose.exportJWK(publicKey), alg);
  const pem = await jose.importPKCS8(await jose.exportPKCS8(privateKey), alg);
  const token = await new jose.SignJWT({ n: 1 }).setProtectedHeader({ alg }).setIssuer('us').sign(pem);
  await jose.jwtVerify(token, again, { issuer: 'us' });
  const [head, , signature] = token.split('.');
  const forged = `${head}.${jose.base64url.encode('{"n":2,"iss":"us"}')}.${signature}`;
  return jose.jwtVerify(forged, again).then(() => 'took a forged token', (e) => e.code === 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' || e.code);
}

async function encrypted(alg: string, enc: string) {
  const key = alg === 'dir' ? await jose.generateSecret(enc)
    : (await jose.generateKeyPair(alg));
  const jwe = await new jose.CompactEncrypt(text('plain')).setProtectedHeader({ alg, enc })
    .encrypt((key as any).publicKey ?? key);
  const { plaintext } = await jose.compactDecrypt(jwe, (key as any).privateKey ?? key);
  return new TextDecoder().decode(plaintext) === 'plain' || 'another plaintext';
}

app.get('/checks', async (c) => {
  const checks: Record<string, () => Promise<unknown>> = {
    'aws4fetch': knownSignature,
    'hono/jwt': async () => (await verify(await sign({ a: 1 }, 'k', 'HS256'), 'k', 'HS256')).a === 1,
  };
  for (const alg of ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA']) checks[alg] = () => signed(alg);
  for (const [alg, enc] of [['dir', 'A256GCM'], ['dir', 'A128CBC-HS256'], ['RSA-OAEP-256', 'A256GCM'], ['ECDH-ES', 'A128GCM'], ['ECDH-ES+A256KW', 'A256GCM']]) {
    checks[`${alg} ${enc}`] = () => encrypted(alg, enc);
  }
  const failed: Record<string, unknown> = {};
  for (const [name, check] of Object.entries(checks)) {
    const result = await check().catch((e) => `${e.name}: ${e.message}`);
    if (result !== true) failed[name] = result;
  }
  return c.json({ checks: Object.keys(checks).length, failed });
});

export default app;
