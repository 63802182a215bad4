// The media type of a file, by its name.

const TYPES = new Map(Object.entries({
  'text/plain': 'txt log env ini conf cfg gitignore lock',
  'text/markdown': 'md markdown', 'text/html': 'html htm', 'text/css': 'css', 'text/csv': 'csv',
  'text/javascript': 'js mjs cjs', 'text/typescript': 'ts tsx mts cts', 'text/jsx': 'jsx',
  'text/x-python': 'py', 'text/x-ruby': 'rb', 'text/x-go': 'go', 'text/x-rust': 'rs',
  'text/x-c': 'c h', 'text/x-c++': 'cc cpp cxx hpp', 'text/x-java': 'java', 'text/x-shellscript': 'sh bash zsh',
  'text/yaml': 'yaml yml', 'application/json': 'json jsonc map', 'application/xml': 'xml',
  'application/toml': 'toml', 'application/sql': 'sql', 'image/svg+xml': 'svg', 'image/png': 'png',
  'image/jpeg': 'jpg jpeg', 'image/gif': 'gif', 'image/webp': 'webp', 'image/x-icon': 'ico',
  'image/avif': 'avif', 'audio/mpeg': 'mp3', 'audio/wav': 'wav', 'audio/ogg': 'ogg', 'video/mp4': 'mp4',
  'video/webm': 'webm', 'application/pdf': 'pdf', 'application/zip': 'zip', 'application/gzip': 'gz tgz',
  'application/x-tar': 'tar', 'application/wasm': 'wasm', 'font/woff': 'woff', 'font/woff2': 'woff2',
  'font/ttf': 'ttf',
}).flatMap(([type, names]) => names.split(' ').map((name) => [name, type])));
const TEXT = /^text\/|^application\/(json|xml|toml|sql)$|^image\/svg\+xml$/;

// text: what the contents look like, for a name that says nothing.
export function mimeOf(path, text) {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const known = TYPES.get(name.slice(name.lastIndexOf('.') + 1).toLowerCase());
  return known ?? (text ? 'text/plain' : 'application/octet-stream');
}

export function isTextType(type) {
  return TEXT.test(type);
}
