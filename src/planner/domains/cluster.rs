//! The `cluster` section: what kwo has to know about the cluster that it cannot ask the cluster for.

use crate::roster::record::record;
use crate::roster::{AnyLabelKey, At, Cidr, HostName, LabelValue, Map, Name, NodeName, Port};

record! {
    /// The cluster that the roster is for. All of it is optional; what is left out is as in k3s.
    pub struct Cluster: "the cluster" {
        /// What the cluster is called in kubeconfigs and reports.
        pub name: Option<At<Name>>,
        /// Where the API server is reached from outside.
        pub api: Option<Api>,
        /// The node that k3s runs on.
        pub node: Option<Node>,
        /// The cluster's networks, which isolated tenants are kept from.
        pub network: Option<ClusterNetwork>,
    }
}

record! {
    /// Where the API server is reached from outside.
    pub struct Api: "the cluster's api" {
        /// Its host names; the first one goes into kubeconfigs.
        pub hosts: Vec<At<HostName>>,
        /// Its port. Default: 6443.
        pub port: Option<At<Port>>,
    }
}

record! {
    /// The node that k3s runs on.
    pub struct Node: "the cluster's node" {
        /// What the node is called. It cannot be changed once the node has joined: local volumes are bound to it.
        pub name: Option<At<NodeName>>,
    }
}

record! {
    /// The cluster's networks, and the pods that every tenant may talk to.
    pub struct ClusterNetwork: "the cluster's network" {
        /// The networks that pods get their addresses from. Default: 10.42.0.0/16.
        pub pods: Vec<At<Cidr>>,
        /// The networks that services get their addresses from. Default: 10.43.0.0/16.
        pub services: Vec<At<Cidr>>,
        /// The pods of the ingress controller. Default: app.kubernetes.io/name=traefik in kube-system.
        pub ingress: Option<PodSelector>,
        /// The pods of the cluster's DNS. Default: k8s-app=kube-dns in kube-system.
        pub dns: Option<PodSelector>,
    }
}

record! {
    /// Some pods: those in a namespace that have all of these labels.
    pub struct PodSelector: "a pod selector" {
        /// The namespace they are in.
        pub namespace: At<Name>,
        /// The labels they have. None means every pod of the namespace.
        pub labels: Map<AnyLabelKey, At<LabelValue>>,
    }
}
