// The setters of an instance's policy, and the facts of the object that policy needs.

import { HAS_LISTS, isConstructing, recordOf } from './bases.js';
import { callBegin, callTake } from './env.js';
import { owner, noTask } from './task.js';

export const SETTERS = [
  'setOutboundHandler', 'removeOutboundHandler', 'setOutboundByHost', 'setOutboundByHosts',
  'removeOutboundByHost', 'setAllowedHosts', 'setDeniedHosts', 'allowHost', 'denyHost',
  'removeAllowedHost', 'removeDeniedHost',
];

export function policySet(object, method, args) {
  const instance = recordOf.get(object);
  if (instance === undefined) throw new Error(`${method}: not an instance that Sallyport made`);
  if (isConstructing(instance)) throw new Error(`${method}: not possible in the constructor`);
  const number = instance.alive();
  const task = owner();
  if (task === null) throw noTask(method);
  while (args.length !== 0 && args[args.length - 1] === undefined) args.pop();
  const json = JSON.stringify(args);
  return callBegin(task, (call) => native.policySet(call, number, method, json, facts(object)));
}

export function policyDone(call, error) {
  const p = callTake(call);
  if (p === null) return;
  if (error === null) p.resolve(undefined);
  else p.reject(new Error(error));
}

function isList(value) {
  return Array.isArray(value) && value.every((v) => typeof v === 'string');
}

function listFact(object, name) {
  const value = object[name];
  if (value === undefined || value === null) return null;
  if (!isList(value)) throw new TypeError(`${name} is not an array of strings`);
  return value;
}

function boolFact(object, name) {
  const value = object[name];
  if (typeof value !== 'boolean') throw new TypeError(`${name} is not a boolean`);
  return value;
}

// What policy needs of an instance, as JSON. A Durable Object that is no Container has no lists.
export function facts(object) {
  if (object[HAS_LISTS] !== true) return '{}';
  return JSON.stringify({
    allowedHosts: listFact(object, 'allowedHosts'),
    deniedHosts: listFact(object, 'deniedHosts'),
    enableInternet: boolFact(object, 'enableInternet'),
    interceptHttps: boolFact(object, 'interceptHttps'),
    allowedTcp: listFact(object, 'allowedTcp'),
  });
}
