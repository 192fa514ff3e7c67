#!/bin/sh
# Builds kwo-test-apiserver, the kubectl of the same version and k3s' datastore kine into a folder:
#
#     tests/apiserver/build.sh FOLDER
#
# Nothing but `go build`, with the version that Kubernetes' own builds put in: without it the server and kubectl call
# themselves v0.0.0, and kubectl refuses that as no version at all.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"

version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
major=${version#v} major=${major%%.*}
minor=${version#v*.} minor=${minor%%.*}
package=k8s.io/component-base/version
ldflags="-s -w -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"

go build -trimpath -buildvcs=false -ldflags "$ldflags" -o "$out/kwo-test-apiserver" .
go build -trimpath -buildvcs=false -ldflags "$ldflags" -o "$out/kubectl" k8s.io/kubernetes/cmd/kubectl

# A module of its own, because its versions are those of k3s and not of Kubernetes.
cd kine
go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$out/kine" github.com/k3s-io/kine
