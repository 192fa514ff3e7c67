// What "ready" means: more than that the server answers. Tests may rely on the namespaces of a new cluster, on the
// default service account, and on the rules of the cluster roles that are put together from others.
package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
)

const readyPoll = 50 * time.Millisecond

// waitForServer waits until the API server calls itself ready, which includes the built-in roles and namespaces.
func waitForServer(ctx context.Context, id identity) error {
	client, err := kubernetes.NewForConfig(id.clientConfig())
	if err != nil {
		return err
	}
	return poll(ctx, "the API server", func() error {
		return client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

// waitForControllers waits until the controllers have done what they do in every new cluster.
func waitForControllers(ctx context.Context, id identity) error {
	client, err := kubernetes.NewForConfig(id.clientConfig())
	if err != nil {
		return err
	}
	for _, name := range []string{metav1.NamespaceDefault, metav1.NamespaceSystem} {
		err := poll(ctx, "namespace "+name, func() error {
			if _, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{}); err != nil {
				return err
			}
			if _, err := client.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{}); err != nil {
				return err
			}
			_, err := client.CoreV1().ConfigMaps(name).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, name := range []string{"admin", "edit", "view"} {
		err := poll(ctx, "cluster role "+name, func() error {
			role, err := client.RbacV1().ClusterRoles().Get(ctx, name, metav1.GetOptions{})
			if err == nil && len(role.Rules) == 0 {
				err = fmt.Errorf("cluster role %s has no rules yet", name)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// poll tries until there is no error or the context ends.
func poll(ctx context.Context, what string, try func() error) error {
	for start := time.Now(); ; {
		err := try()
		if err == nil {
			klog.Infof("Ready after %s: %s", time.Since(start).Round(time.Millisecond), what)
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, err)
		case <-time.After(readyPoll):
		}
	}
}
