module kwo/tests/crds

go 1.26.0

// No code is taken from these; collect.sh takes the files with the CRDs.
require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/k3s-io/helm-controller v0.16.27
	github.com/traefik/traefik/v3 v3.7.13
)
