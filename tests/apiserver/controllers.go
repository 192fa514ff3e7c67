// The controllers: the real kube-controller-manager, with those that a tenant's objects depend on and none that would
// need nodes. Each acts with its own service account, as in a cluster, so their RBAC is real too. The namespace
// controller is not among them, see namespaces.go.
package main

import (
	"context"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	"k8s.io/kubernetes/cmd/kube-controller-manager/names"
)

// controllerNames are the controllers to run.
var controllerNames = []string{
	names.ServiceAccountController,
	names.ServiceAccountTokenController,
	names.RootCACertificatePublisherController,
	names.ClusterRoleAggregationController, // without it the cluster roles admin, edit and view are empty
	names.ResourceQuotaController,
	names.GarbageCollectorController,
	names.ValidatingAdmissionPolicyStatusController,
	// Admission puts a finalizer on volumes and claims that only these take off again.
	names.PersistentVolumeClaimProtectionController,
	names.PersistentVolumeProtectionController,
}

// controllerAccounts are the service accounts in kube-system that they act with.
var controllerAccounts = []string{
	namespaceControllerAccount,
	"service-account-controller",
	"root-ca-cert-publisher",
	"clusterrole-aggregation-controller",
	"resourcequota-controller",
	"generic-garbage-collector",
	"validatingadmissionpolicy-status-controller",
	"pvc-protection-controller",
	"pv-protection-controller",
}

// runControllers runs them until one fails. The API server must be ready.
func runControllers(ctx context.Context) error {
	args := []string{
		"--kubeconfig=" + controllersKubeconfig,
		"--controllers=" + strings.Join(controllerNames, ","),
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + serviceAccountKeyFile,
		"--root-ca-file=" + caFile,
		"--leader-elect=false",
		"--secure-port=0",
		// The defaults, 20 and 30, spare a server that is shared.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}
	manager, err := options.NewKubeControllerManagerOptions()
	if err != nil {
		return err
	}
	known, disabled, aliases := app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases()
	fs := pflag.NewFlagSet("kube-controller-manager", pflag.ContinueOnError)
	for _, section := range manager.Flags(known, disabled, aliases).FlagSets {
		fs.AddFlagSet(section)
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	config, err := manager.Config(ctx, known, disabled, aliases)
	if err != nil {
		return err
	}
	return app.Run(ctx, config.Complete())
}
