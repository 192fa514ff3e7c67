//go:build tools

// What build.sh builds besides: Helm as people run it.
package main

import _ "helm.sh/helm/v3/cmd/helm"
