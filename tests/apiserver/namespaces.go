// Emptying namespaces that are being deleted. Kubernetes' own controller waits five seconds before it begins, for the
// sake of clusters with several API servers and etcd members, and the wait can't be set. This one does not wait, and
// leaves all the work to the same deleter: its order, its conditions on the namespace and its finalizer are real.
package main

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/controller-manager/pkg/clientbuilder"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/namespace/deletion"
)

const (
	namespaceControllerAccount = "namespace-controller"
	namespaceWorkers           = 4
	// namespaceSettle lets creations that were admitted just before the deletion reach the store.
	namespaceSettle = 100 * time.Millisecond
	// namespaceRetry is how soon to look again when content is still going.
	namespaceRetry = 300 * time.Millisecond
)

type namespaceQueue = workqueue.TypedRateLimitingInterface[string]

// runNamespaceController empties namespaces until the context ends. The API server must be ready.
func runNamespaceController(ctx context.Context, id identity) error {
	root := id.clientConfig()
	rootClient, err := kubernetes.NewForConfig(root)
	if err != nil {
		return err
	}
	builder := clientbuilder.NewDynamicClientBuilder(rest.AnonymousClientConfig(root), rootClient.CoreV1(), metav1.NamespaceSystem)
	config, err := builder.Config(namespaceControllerAccount)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	deleter := deletion.NewNamespacedResourcesDeleter(ctx, client.CoreV1().Namespaces(), metadataClient, client.CoreV1(),
		client.Discovery().ServerPreferredNamespacedResources, corev1.FinalizerKubernetes)

	queue := workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[string](50*time.Millisecond, 2*time.Second))
	if err := watchNamespaces(ctx, client, queue); err != nil {
		return err
	}
	for range namespaceWorkers {
		go wait.UntilWithContext(ctx, func(ctx context.Context) {
			for emptyNext(ctx, queue, deleter) {
			}
		}, time.Second)
	}
	<-ctx.Done()
	return ctx.Err()
}

// watchNamespaces puts each namespace that is being deleted into the queue, once for every change to it.
func watchNamespaces(ctx context.Context, client kubernetes.Interface, queue namespaceQueue) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	enqueue := func(obj any) {
		if namespace, ok := obj.(*corev1.Namespace); ok && namespace.DeletionTimestamp != nil {
			queue.AddAfter(namespace.Name, namespaceSettle)
		}
	}
	_, err := factory.Core().V1().Namespaces().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    enqueue,
		UpdateFunc: func(_, obj any) { enqueue(obj) },
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return nil
}

// emptyNext deals with one namespace of the queue; false means that the queue has been shut down.
func emptyNext(ctx context.Context, queue namespaceQueue, deleter deletion.NamespacedResourcesDeleterInterface) bool {
	name, shutdown := queue.Get()
	if shutdown {
		return false
	}
	defer queue.Done(name)

	err := deleter.Delete(ctx, name)
	var remaining *deletion.ResourcesRemainingError
	switch {
	case err == nil:
		queue.Forget(name)
	case errors.As(err, &remaining):
		queue.AddAfter(name, namespaceRetry)
	default:
		klog.Errorf("Emptying namespace %s: %v", name, err)
		queue.AddRateLimited(name)
	}
	return true
}
