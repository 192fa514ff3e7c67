// The API server: the real kube-apiserver, set up by its own command line flags, so that each setting here can be
// looked up under the name operators know. What is not set has the default that a cluster would have: admission
// plugins, priority and fairness, watch caches, API groups.
package main

import (
	"context"
	"net"
	"strconv"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	apioptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

const (
	serviceRange        = "10.0.0.0/16"
	kubernetesServiceIP = "10.0.0.1" // the first of the range goes to the service "kubernetes"
	tokenIssuer         = "https://kubernetes.default.svc.cluster.local"
)

// runAPIServer serves on the listener until it fails.
func runAPIServer(ctx context.Context, listener net.Listener, store string, opts settings) error {
	args := []string{
		"--etcd-servers=" + store,

		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port),
		"--tls-cert-file=" + serverCertFile,
		"--tls-private-key-file=" + serverKeyFile,
		"--client-ca-file=" + caFile,

		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true", // what installers set; without it PodSecurity is never asked about privileged pods

		"--service-account-issuer=" + tokenIssuer,
		"--service-account-signing-key-file=" + serviceAccountKeyFile,
		"--service-account-key-file=" + serviceAccountKeyFile,

		"--service-cluster-ip-range=" + serviceRange,
		// A loopback address may not be published as an endpoint, and a machine may have no other.
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",

		"--profiling=false",
	}
	if opts.auditLog != "" {
		auditArgs, err := auditFlags(opts.auditLog, opts.auditLevel)
		if err != nil {
			return err
		}
		args = append(args, auditArgs...)
	}
	if opts.authConfig != "" {
		args = append(args, "--authentication-config="+opts.authConfig)
	}
	args = append(args, opts.flags...)

	server := apioptions.NewServerRunOptions()
	fs := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	for _, section := range server.Flags().FlagSets {
		fs.AddFlagSet(section)
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	// Already bound, so that no one else can take the port in between.
	server.SecureServing.Listener = listener
	// Feature gates and emulated versions are global to the process. The controllers share them and must not set
	// them again.
	if err := server.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	completed, err := server.Complete(ctx)
	if err != nil {
		return err
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return utilerrors.NewAggregate(errs)
	}
	return app.Run(ctx, completed)
}
