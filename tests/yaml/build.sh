#!/bin/sh
# Builds kwo-test-readers and helm into a folder, where those that are there are not newer than their sources:
#
#     tests/yaml/build.sh FOLDER
set -eu
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
exec 9>"$out/kwo-test-readers.lock"
flock 9
fresh() {
    [ -e "$out/$1" ] && [ -z "$(find . -newer "$out/$1")" ]
}
if ! fresh kwo-test-readers; then
    go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$out/kwo-test-readers" .
fi
if ! fresh helm; then
    # The version of Kubernetes that a chart is rendered for, as Helm's own builds put it in.
    minor=$(go list -m -f '{{.Version}}' k8s.io/client-go | cut -d . -f 2)
    go build -trimpath -buildvcs=false -o "$out/helm" \
        -ldflags "-s -w -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$minor" \
        helm.sh/helm/v3/cmd/helm
fi
