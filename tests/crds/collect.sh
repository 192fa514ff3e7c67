#!/bin/sh
# Collects the CRDs that kwo writes objects of into a folder, one file each, named GROUP_PLURAL.yaml:
#
#     tests/crds/collect.sh FOLDER
#
# They come out of the Go modules that go.mod names, checked against go.sum; nothing is compiled.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"

# The folder of a module, at the version in go.mod.
module() {
    version=$(awk -v path="$1" '$1 == path { print $2 }' go.mod)
    json=$(go mod download -json "$1@$version") || { echo "$json" >&2; return 1; }
    echo "$json" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'
}

traefik=$(module github.com/traefik/traefik/v3)
helm=$(module github.com/k3s-io/helm-controller)
certs=$(module github.com/cert-manager/cert-manager)

# Another test program may be reading the folder, so each file appears whole.
part=$(mktemp -d "$out/.part.XXXXXX")
trap 'rm -rf "$part"' EXIT
cp "$traefik"/docs/content/reference/dynamic-configuration/traefik.io_*.yaml \
    "$helm"/pkg/crds/yaml/generated/helm.cattle.io_*.yaml \
    "$certs"/deploy/crds/cert-manager.io_certificates.yaml \
    "$certs"/deploy/crds/cert-manager.io_clusterissuers.yaml \
    "$certs"/deploy/crds/cert-manager.io_issuers.yaml "$part"
chmod u+w "$part"/*
mv "$part"/*.yaml "$out"
