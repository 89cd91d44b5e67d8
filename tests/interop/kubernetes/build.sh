#!/bin/sh
# usage: build.sh FOLDER. Builds the programs of a Kubernetes cluster from their Go modules into FOLDER/bin, those that are not there.
# Exit code 2: the modules cannot be fetched.
set -eu
mkdir -p "$1/bin"
cd "$1"
version=1.34.2 # later ones refuse cgroup v1
etcd=3.6.16
kwok=0.8.0
export GOTOOLCHAIN=local GOFLAGS=-mod=mod CGO_ENABLED=0

# one module of our own for each, named after what it builds
module() {
    mkdir -p "$1"
    [ -f "$1/go.mod" ] || (cd "$1" && go mod init "$1")
    (cd "$1" && go get -tool "$2") || exit 2
}

# half of a program is none
build() {
    (cd "$1" && go build -trimpath -ldflags "-s -w $4" -o "../bin/$2.building" "$3")
    mv "bin/$2.building" "bin/$2"
}

command -v go >/dev/null || exit 2
if [ ! -x bin/kube-apiserver ] || [ ! -x bin/kube-controller-manager ] || [ ! -x bin/kubelet ]; then
    mkdir -p cluster
    go mod download "k8s.io/kubernetes@v$version" || exit 2
    from=$(go env GOMODCACHE)/k8s.io/kubernetes@v$version
    staging=0.${version#1.}
    # Kubernetes' requirements, with its own modules as they are published
    {
        echo "module cluster"
        grep -E '^go |^godebug' "$from/go.mod"
        sed -n '/^require (/,/^)/p' "$from/go.mod" | sed -E "s#(k8s.io/[a-z-]+) v0\.0\.0( .*)?\$#\1 v$staging#"
        echo "require k8s.io/kubernetes v$version"
        echo "replace ("
        grep '=> ./staging' "$from/go.mod" | awk -v version="v$staging" '{ print "\t" $1 " => " $1 " " version }'
        echo ")"
    } >cluster/go.mod
    label=k8s.io/component-base/version
    labels="-X $label.gitVersion=v$version -X $label.gitMajor=1 -X $label.gitMinor=${staging%.*}"
    labels=$(echo "$labels" | sed 's/gitMinor=0\./gitMinor=/')
    (cd cluster && go mod download) || exit 2
    for name in kube-apiserver kube-controller-manager kubelet; do
        [ -x "bin/$name" ] || build cluster "$name" "k8s.io/kubernetes/cmd/$name" "$labels"
    done
fi
if [ ! -x bin/etcd ]; then
    module etcd "go.etcd.io/etcd/server/v3@v$etcd"
    build etcd etcd go.etcd.io/etcd/server/v3 ""
fi
if [ ! -x bin/kwok ]; then
    module kwok "sigs.k8s.io/kwok/cmd/kwok@v$kwok"
    build kwok kwok sigs.k8s.io/kwok/cmd/kwok ""
fi
