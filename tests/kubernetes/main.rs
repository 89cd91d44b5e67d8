//! Tests on a real cluster: etcd, kube-apiserver with RBAC, kube-controller-manager, and kubelets on containerd.

mod faults;
mod manifest;
mod rights;
mod run;
mod scale;
mod site;
