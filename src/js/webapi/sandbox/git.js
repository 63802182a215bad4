// gitCheckout: git itself, inside the sandbox, under the sandbox's policy.

import { sandboxError } from './errors.js';
import { lifeOf } from './life.js';
import { NO_SESSION } from './exec.js';
import { Collected, decoder, drain, exitCodeOf, interrupted, run } from './run.js';

const CLONE_MAX_MS = 600 * 1000;
const STDERR_MAX = 64 * 1024;
const URL_SHAPE = /^(https?|git|ssh):\/\/[^\s]+$|^[\w.-]+@[\w.-]+:[^\s]+$|^\/[^\0]+$|^file:\/\/[^\s]+$/;

function repoName(url) {
  const last = url.replace(/\/+$/, '').split(/[/:]/).pop() ?? '';
  return last.replace(/\.git$/, '') || 'repository';
}

// A URL's user part may be a credential: it stays out of results and errors.
function shown(text) {
  return text.replace(/(\w+:\/\/)[^/\s@]+@/g, '$1');
}

async function git(instance, session, argv, timeout) {
  const args = { argv: ['git', ...argv], env: { GIT_TERMINAL_PROMPT: '0' }, timeout_ms: timeout,
    session: session === NO_SESSION ? undefined : session };
  const running = await run(instance, args);
  const [out, err] = [new Collected(), new Collected()];
  await Promise.all([[running.out, out], [running.err, err]].map(([output, all]) => drain(output, (chunk) => {
    if (all.size < STDERR_MAX) all.add(chunk, Infinity, all);
    return true;
  })));
  const end = await running.ended;
  if (end.how === 'lost') throw interrupted('gitCheckout');
  return { end, code: exitCodeOf(end), stdout: decoder()(out.bytes(), true), stderr: decoder()(err.bytes(), true) };
}

const FAILURES = [
  [/remote branch .* not found/i, 'GIT_BRANCH_NOT_FOUND'],
  [/authentication failed|could not read username|permission denied|terminal prompts disabled|error: 40[13]/i, 'GIT_AUTH_FAILED'],
  [/repository .*not found|does not appear to be a git repository|does not exist|error: 404/i, 'GIT_REPOSITORY_NOT_FOUND'],
  [/could not resolve|unable to access|connection|timed out|early eof|error: 5\d\d/i, 'GIT_NETWORK_ERROR'],
];

function failure(result, url, branch, timeout) {
  const stderr = shown(result.stderr).trim();
  const context = { repository: shown(url), branch, exitCode: result.code, stderr };
  if (result.end.how === 'timeout') {
    return sandboxError('GIT_CLONE_FAILED', `git clone took longer than ${timeout}ms`, { operation: 'git.clone', context });
  }
  const code = FAILURES.find(([shape]) => shape.test(stderr))?.[1] ?? 'GIT_CLONE_FAILED';
  return sandboxError(code, stderr.split('\n').pop() || `git clone ended with status ${result.code}`,
    { operation: 'git.clone', context });
}

export async function gitCheckout(instance, session, repoUrl, options) {
  const { branch, depth, targetDir = `/workspace/${repoName(`${repoUrl}`)}`, cloneTimeoutMs = CLONE_MAX_MS } = options ?? {};
  if (typeof repoUrl !== 'string' || !URL_SHAPE.test(repoUrl)) {
    throw sandboxError('INVALID_GIT_URL', 'The repository is not an http, https, ssh, git or file URL, or user@host:path.');
  }
  if (depth !== undefined && (!Number.isInteger(depth) || depth < 1)) {
    throw sandboxError('VALIDATION_FAILED', 'depth is not a positive whole number.');
  }
  const argv = ['clone', '--filter=blob:none'];
  if (branch !== undefined) argv.push(`--branch=${branch}`);
  if (depth !== undefined) argv.push(`--depth=${depth}`);
  const timeout = Math.min(Math.max(1, cloneTimeoutMs), CLONE_MAX_MS);
  return lifeOf(instance).use(async () => {
    const result = await git(instance, session, [...argv, '--', repoUrl, targetDir], timeout);
    if (result.code !== 0) throw failure(result, repoUrl, branch, timeout);
    const head = await git(instance, session, ['-C', targetDir, 'rev-parse', '--abbrev-ref', 'HEAD'], undefined);
    return {
      success: true, repoUrl: shown(repoUrl), branch: branch ?? (head.stdout.trim() || 'HEAD'), targetDir,
      timestamp: new Date().toISOString(), exitCode: 0,
    };
  });
}
