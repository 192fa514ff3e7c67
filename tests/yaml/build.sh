#!/bin/sh
# Builds kwo-test-readers into a folder, where the one that is there is not newer than its sources:
#
#     tests/yaml/build.sh FOLDER
set -eu
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)/kwo-test-readers
cd "$(dirname "$0")"
exec 9>"$out.lock"
flock 9
[ -n "$(find . -newer "$out" 2>/dev/null || echo none)" ] || exit 0
go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$out" .
