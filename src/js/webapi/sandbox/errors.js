// The error classes of the Sandbox SDK: a name, a code, and what is known besides. They keep all of it,
// and their class, when a call of a stub fails with one.

import { REBUILD } from '../copy.js';

export const CODES = {
  FILE_NOT_FOUND: 404, PERMISSION_DENIED: 403, FILE_EXISTS: 409, IS_DIRECTORY: 400, NOT_DIRECTORY: 400,
  FILE_TOO_LARGE: 413, NO_SPACE: 500, TOO_MANY_FILES: 500, RESOURCE_BUSY: 409, READ_ONLY: 403,
  NAME_TOO_LONG: 400, TOO_MANY_LINKS: 500, FILESYSTEM_ERROR: 500, COMMAND_NOT_FOUND: 404,
  COMMAND_PERMISSION_DENIED: 403, INVALID_COMMAND: 400, COMMAND_EXECUTION_ERROR: 500,
  PROCESS_NOT_FOUND: 404, PROCESS_ERROR: 500, SESSION_ALREADY_EXISTS: 409, SESSION_DESTROYED: 410,
  SESSION_TERMINATED: 410, GIT_REPOSITORY_NOT_FOUND: 404, GIT_BRANCH_NOT_FOUND: 404,
  GIT_AUTH_FAILED: 401, GIT_NETWORK_ERROR: 502, INVALID_GIT_URL: 400, GIT_CLONE_FAILED: 500,
  PROCESS_READY_TIMEOUT: 408, PROCESS_EXITED_BEFORE_READY: 500, VALIDATION_FAILED: 400, WATCH_START_ERROR: 500,
  OPERATION_INTERRUPTED: 409, CONTAINER_UNAVAILABLE: 503, INTERNAL_ERROR: 500,
};

export class SandboxError extends Error {
  constructor(response, options = undefined) {
    super(response.message, options);
    // Own properties, not enumerable, as a message is.
    Object.defineProperty(this, 'name', {
      value: this.constructor.name, configurable: true, writable: true,
    });
    Object.defineProperty(this, 'errorResponse', { value: response, configurable: true });
  }
  [REBUILD](copy) {
    const cls = this.constructor;
    if (classes[cls.name] !== cls) return undefined; // a class of the user's
    return new cls(copy(this.errorResponse));
  }
  get code() {
    return this.errorResponse.code;
  }
  get context() {
    return this.errorResponse.context;
  }
  get httpStatus() {
    return this.errorResponse.httpStatus;
  }
  get operation() {
    return this.errorResponse.operation;
  }
  get suggestion() {
    return this.errorResponse.suggestion;
  }
  get timestamp() {
    return this.errorResponse.timestamp;
  }
  get documentation() {
    return this.errorResponse.documentation;
  }
  toJSON() {
    const { name, message, code, context, httpStatus, operation, suggestion, timestamp, documentation,
      stack } = this;
    return { name, message, code, context, httpStatus, operation, suggestion, timestamp, documentation,
      stack };
  }
}

// A subclass whose getters read members of the context.
function kind(name, members, base = SandboxError) {
  const cls = { [name]: class extends base {} }[name];
  for (const member of members) {
    Object.defineProperty(cls.prototype, member, {
      configurable: true,
      get() {
        return this.context[member];
      },
    });
  }
  return cls;
}

export const classes = {
  SandboxError,
  FileNotFoundError: kind('FileNotFoundError', ['path']),
  FileExistsError: kind('FileExistsError', ['path']),
  FileTooLargeError: kind('FileTooLargeError', ['path']),
  FileSystemError: kind('FileSystemError', ['path', 'stderr', 'exitCode']),
  PermissionDeniedError: kind('PermissionDeniedError', ['path']),
  CommandNotFoundError: kind('CommandNotFoundError', ['command']),
  CommandError: kind('CommandError', ['command', 'exitCode', 'stdout', 'stderr']),
  ProcessNotFoundError: kind('ProcessNotFoundError', ['processId']),
  ProcessError: kind('ProcessError', ['processId', 'pid', 'exitCode', 'stderr']),
  SessionAlreadyExistsError: kind('SessionAlreadyExistsError', ['sessionId', 'containerPlacementId']),
  SessionDestroyedError: kind('SessionDestroyedError', ['sessionId']),
  SessionTerminatedError: kind('SessionTerminatedError', ['sessionId', 'exitCode']),
  GitRepositoryNotFoundError: kind('GitRepositoryNotFoundError', ['repository']),
  GitAuthenticationError: kind('GitAuthenticationError', ['repository']),
  GitBranchNotFoundError: kind('GitBranchNotFoundError', ['branch', 'repository']),
  GitNetworkError: kind('GitNetworkError', ['repository', 'branch', 'targetDir']),
  GitCloneError: kind('GitCloneError', ['repository', 'targetDir', 'exitCode', 'stderr']),
  InvalidGitUrlError: kind('InvalidGitUrlError', ['validationErrors']),
  ProcessReadyTimeoutError: kind(
    'ProcessReadyTimeoutError', ['processId', 'command', 'condition', 'timeout']),
  ProcessExitedBeforeReadyError: kind(
    'ProcessExitedBeforeReadyError', ['processId', 'command', 'condition', 'exitCode']),
  ValidationFailedError: kind('ValidationFailedError', ['validationErrors']),
  OperationInterruptedError: kind('OperationInterruptedError', ['reason']),
  ContainerUnavailableError: kind('ContainerUnavailableError', ['reason', 'retryAfterMs']),
  RPCTransportError: kind('RPCTransportError', ['kind', 'originalMessage']),
  BackupNotFoundError: kind('BackupNotFoundError', ['backupId']),
  BackupExpiredError: kind('BackupExpiredError', ['backupId', 'expiredAt']),
  InvalidBackupConfigError: kind('InvalidBackupConfigError', ['reason']),
  BackupCreateError: kind('BackupCreateError', ['dir', 'backupId']),
  BackupRestoreError: kind('BackupRestoreError', ['dir', 'backupId']),
};

const BY_CODE = {
  FILE_NOT_FOUND: 'FileNotFoundError', FILE_EXISTS: 'FileExistsError',
  FILE_TOO_LARGE: 'FileTooLargeError', PERMISSION_DENIED: 'PermissionDeniedError',
  IS_DIRECTORY: 'FileSystemError', NOT_DIRECTORY: 'FileSystemError', NO_SPACE: 'FileSystemError',
  TOO_MANY_FILES: 'FileSystemError', RESOURCE_BUSY: 'FileSystemError', READ_ONLY: 'FileSystemError',
  NAME_TOO_LONG: 'FileSystemError', TOO_MANY_LINKS: 'FileSystemError',
  FILESYSTEM_ERROR: 'FileSystemError', COMMAND_NOT_FOUND: 'CommandNotFoundError',
  COMMAND_PERMISSION_DENIED: 'CommandError', COMMAND_EXECUTION_ERROR: 'CommandError',
  INVALID_COMMAND: 'CommandError', PROCESS_NOT_FOUND: 'ProcessNotFoundError',
  PROCESS_ERROR: 'ProcessError', SESSION_ALREADY_EXISTS: 'SessionAlreadyExistsError',
  SESSION_DESTROYED: 'SessionDestroyedError', SESSION_TERMINATED: 'SessionTerminatedError',
  GIT_REPOSITORY_NOT_FOUND: 'GitRepositoryNotFoundError', GIT_AUTH_FAILED: 'GitAuthenticationError',
  GIT_BRANCH_NOT_FOUND: 'GitBranchNotFoundError', GIT_NETWORK_ERROR: 'GitNetworkError',
  GIT_CLONE_FAILED: 'GitCloneError', INVALID_GIT_URL: 'InvalidGitUrlError',
  PROCESS_READY_TIMEOUT: 'ProcessReadyTimeoutError',
  PROCESS_EXITED_BEFORE_READY: 'ProcessExitedBeforeReadyError',
  VALIDATION_FAILED: 'ValidationFailedError', OPERATION_INTERRUPTED: 'OperationInterruptedError',
  CONTAINER_UNAVAILABLE: 'ContainerUnavailableError',
};

// facts: {context, operation, suggestion}, each may be absent.
export function sandboxError(code, message, facts = {}) {
  const cls = classes[BY_CODE[code] ?? 'SandboxError'];
  return new cls({
    code, message, context: facts.context ?? {}, operation: facts.operation,
    httpStatus: CODES[code] ?? 500, timestamp: new Date().toISOString(), suggestion: facts.suggestion,
  });
}

// A name or a port that the SDK refuses before anything is asked for.
export class SandboxSecurityError extends Error {
  constructor(message, code) {
    super(message);
    Object.defineProperty(this, 'name', { value: 'SandboxSecurityError', configurable: true, writable: true });
    this.code = code;
  }
}

export function aborted() {
  return new Error('Operation was aborted');
}

// Bucket mounts have no local form, but code that catches their errors names the classes.
export class BucketMountError extends Error {
  constructor(message, code = 'BUCKET_MOUNT_ERROR') {
    super(message);
    Object.defineProperty(this, 'name', { value: this.constructor.name, configurable: true });
    this.code = code;
  }
}
function mountKind(name, code) {
  return { [name]: class extends BucketMountError {
    constructor(message) {
      super(message, code);
    }
  } }[name];
}
export const mountClasses = {
  BucketMountError,
  S3FSMountError: mountKind('S3FSMountError', 'S3FS_MOUNT_ERROR'),
  BucketUnmountError: mountKind('BucketUnmountError', 'BUCKET_UNMOUNT_ERROR'),
  MissingCredentialsError: mountKind('MissingCredentialsError', 'MISSING_CREDENTIALS'),
  InvalidMountConfigError: mountKind('InvalidMountConfigError', 'INVALID_MOUNT_CONFIG'),
};
