#!/bin/sh
# Bundles webapi/ and the pinned npm packages and writes them as a C file.
# embed.sh ESBUILD SOURCE_DIR WORK_DIR OUTPUT
set -eu
esbuild=$1 source=$2 work=$3 output=$4

mkdir -p "$work"
if ! cmp -s "$source/npm/package-lock.json" "$work/package-lock.json" || [ ! -d "$work/node_modules" ]; then
    cp "$source/npm/package.json" "$source/npm/package-lock.json" "$work/"
    if ! npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund --silent; then
        rm -f "$work/package-lock.json"
        echo "embed.sh: npm ci failed: the packages of src/js/npm/package-lock.json cannot be fetched" >&2
        exit 1
    fi
fi

# Strict: a function that is not tells whoever it calls its arguments, and these are the natives.
bundle() { # ENTRY RESULT NAME [OPTION]
    NODE_PATH="$work/node_modules" "$esbuild" --bundle --format=cjs --target=esnext \
        --minify-whitespace --minify-syntax --log-level=warning --legal-comments=none --charset=ascii \
        --banner:js='(function(native){"use strict";var module={exports:{}},exports=module.exports;' \
        --footer:js="return $2})" --outfile="$work/$3.js" ${4:+"$4"} "$1"
}
bundle "$source/webapi/core.js" 'module.exports.entries' core
# In the order of js_native_lazy (version.c).
lazy='streams subtle web urlpattern node nodelibs'
for name in streams subtle web urlpattern node; do
    bundle "$source/webapi/lazy/$name.js" 'module.exports' "$name"
done
bundle "$source/webapi/lazy/nodelibs.js" 'module.exports' nodelibs --inject:"$source/webapi/lazy/nodelibs/timers.js"

{
    echo '#include "js/bundle.h"'
    for name in core $lazy; do
        echo "const char js_script_$name[] = {"
        od -An -v -tu1 "$work/$name.js" | sed 's/  *\([0-9]\)/\1/; s/  */,/g; s/$/,/'
        echo '0};'
        echo "const size_t js_script_${name}_len = sizeof js_script_$name - 1;"
    done
} > "$output.part"
mv "$output.part" "$output"
