#!/bin/bash
# Makes root file systems as layers, from Debian's packages and by the tools that make layers: usage, as root: roots.sh FOLDER
#
# Each root is a folder of files NUMBER.tar, NUMBER.tar.gz or NUMBER.tar.zst, the lowest layer first. What is there is kept.
# Exit code 2: the packages cannot be fetched.
set -eu -o pipefail
out=$(mkdir -p "$1" && cd "$1" && pwd)
[ -e "$out/.made-1" ] && exit 0
work=$out/.making
rm -rf "$out"/* "$work"
mkdir -p "$work/debs"
cd "$work"

packages="adduser apt base-passwd bash bsdutils busybox-static bzip2 coreutils cron dash debianutils diffutils dpkg e2fsprogs file
  findutils gawk gnupg grep gzip hostname iproute2 iputils-ping kmod less libc-bin login logrotate man-db mawk mount nano
  ncurses-base ncurses-term netbase openssh-client openssh-server passwd perl-base postfix procps psmisc python3-minimal
  python3.11-minimal rsync sed sudo sysvinit-utils tar tzdata util-linux vim-tiny wget xz-utils zip"
cd debs
# shellcheck disable=SC2086
apt-get -qq download base-files libc6 $packages 2>../apt.log || { cat ../apt.log >&2; exit 2; }
cd ..

# 1. packages, each upon the base, as dpkg itself writes them
data() { dpkg-deb --fsys-tarfile debs/"$1"_*.deb; }
data base-files | gzip -1n >base.tar.gz
for package in $packages; do
  root=$out/package-$package
  mkdir "$root"
  ln base.tar.gz "$root/0.tar.gz"
  data "$package" | gzip -1n >"$root/1.tar.gz"
done

# 2. a whole Debian with programs that have setuid bits and file capabilities, as mmdebstrap writes it
mmdebstrap --quiet --variant=minbase --include=iputils-ping,man-db,openssh-server,postfix,python3-minimal,sudo \
  "$(. /etc/os-release && echo "$VERSION_CODENAME")" debian.tar 2>mmdebstrap.log || { cat mmdebstrap.log >&2; exit 2; }
gzip -1n <debian.tar >debian.tar.gz
mkdir "$out/debian"
ln debian.tar.gz "$out/debian/0.tar.gz"

# 3. every kind of file, in each form of each tool
kinds=$work/kinds
mkdir -p "$kinds"/{bin,etc/deep/down,opaque/in,replaced,gone,dev,sparse,far}
cd "$kinds"
cp /bin/ls bin/tool
cp /bin/cat bin/setuid && chmod 6755 bin/setuid
cp /bin/cat bin/capable && setcap cap_net_raw,cap_net_admin+ep bin/capable
ln bin/tool far/tool
ln bin/capable etc/deep/capable
ln -s ../bin/tool etc/link
ln -s /nowhere/at/all dangling && chown -h 5:6 dangling
ln dangling far/dangling
mkfifo -m 640 etc/fifo
mknod -m 666 dev/null c 1 3
mknod -m 660 dev/loop b 7 200
mknod -m 600 dev/large c 250 70000
echo passwd >etc/passwd && chown 70000:4000000000 etc/passwd
echo attributes >etc/attributes
python3 -c 'import os, sys
os.setxattr("etc/attributes", "user.note", bytes(range(256)))
os.setxattr("etc/attributes", "user.empty", b"")'
chmod 1777 replaced && chmod 2750 etc/deep
: >etc/empty
touch -d @0 etc/old && touch -d 2100-01-01 etc/new && touch -d 1960-01-01 etc/before
long=$(printf 'n%.0s' $(seq 200))
mkdir -p "far/$long/$long" && echo far >"far/$long/$long/file" && ln -s "$long/$long/file" far/link
echo name >"etc/$(printf 'caf\351 \t\\\033')"
for name in gone/a gone/b opaque/a opaque/in/b replaced/a replaced/b; do echo $name >$name; done
cd "$work"

root() { mkdir -p "$out/$1"; cat >"$out/$1/$2"; }
pack() { tar -C "$kinds" --sort=name --xattrs --xattrs-include='*' "$@" -c . ; }
pack --format=posix | gzip -n | root kinds-posix 0.tar.gz
pack --format=posix | zstd -q -19 | root kinds-zstd 0.tar.zst
pack --format=posix | root kinds-plain 0.tar
tar -C "$kinds" --format=gnu -c . | gzip -n | root kinds-gnu 0.tar.gz
tar -C "$kinds" --format=ustar --exclude=./far --exclude=./etc/passwd --exclude=./etc/before -c . | gzip -n | root kinds-ustar 0.tar.gz
tar -C "$kinds" --format=v7 --exclude=./far --exclude=./etc/passwd --exclude=./etc/before --exclude=./dev --exclude=./etc/fifo -c . |
  gzip -n | root kinds-v7 0.tar.gz
(cd "$kinds" && find . -type f | sort | tar --format=gnu -T - -c) | gzip -n | root kinds-files-alone 0.tar.gz
bsdtar -C "$kinds" --format=pax --xattrs -cf - . | gzip -n | root kinds-bsdtar 0.tar.gz
bsdtar -C "$kinds" --format=gnutar -cf - . | gzip -n | root kinds-bsdtar-gnu 0.tar.gz
python3 - "$kinds" <<'PYTHON' | gzip -n | root kinds-python 0.tar.gz
import sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
    tar.add(sys.argv[1], arcname="./")
PYTHON

# holes: at the start, in between, at the end, everywhere
truncate -s 3M "$kinds/sparse/all"
cp "$kinds/sparse/all" "$kinds/sparse/some"
for at in 1 100 101 700; do echo "at $at" | dd status=none conv=notrunc bs=4096 seek=$at of="$kinds/sparse/some"; done
echo start >"$kinds/sparse/end" && truncate -s 2M "$kinds/sparse/end"
for version in 0.0 0.1 1.0; do
  pack --format=posix --sparse --sparse-version=$version | gzip -n | root sparse-$version 0.tar.gz
done

# 4. what a later layer changes: whiteouts of files, of folders and of nothing, opaque folders, other kinds in their place
mkdir -p upper/{opaque,etc/deep,replaced,bin}
cd upper
: >.wh.gone && : >opaque/.wh..wh..opq && echo new >opaque/new && : >etc/.wh.nothing && : >etc/.wh.link
echo file >replaced/a && mkdir -p etc/fifo && echo in >etc/fifo/in && chmod 700 etc/deep && ln -s tool bin/setuid
cd ..
upper() { tar -C upper --sort=name "$@"; }
for base in posix zstd gnu; do
  mkdir -p "$out/stacked-$base"
  ln "$out/kinds-$base"/0.* "$out/stacked-$base/"
  upper --format=posix -c . | gzip -n | root stacked-$base 1.tar.gz
  # without entries of directories, and once more what the first layer has
  (cd upper && find . -type f -o -type l | sort | tar --format=gnu -T - -c) | zstd -q | root stacked-$base 2.tar.zst
  ln "$out/kinds-posix/0.tar.gz" "$out/stacked-$base/3.tar.gz"
done

# 5. layers of other tools
layers() { # LAYOUT NAME: the layers of the image in a layout
  python3 - "$1" "$out/$2" <<'PYTHON'
import json, os, shutil, sys
layout, out = sys.argv[1:]
blob = lambda digest: os.path.join(layout, "blobs", *digest.split(":"))
manifest = json.load(open(blob(json.load(open(os.path.join(layout, "index.json")))["manifests"][-1]["digest"])))
os.makedirs(out, exist_ok=True)
for number, layer in enumerate(manifest["layers"]):
    ending = {"gzip": ".tar.gz", "zstd": ".tar.zst"}.get(layer["mediaType"].rpartition("+")[2], ".tar")
    shutil.copy(blob(layer["digest"]), os.path.join(out, f"{number}{ending}"))
PYTHON
}
if command -v umoci >/dev/null; then
  umoci --log=error init --layout umoci
  umoci --log=error new --image umoci:v1
  umoci --log=error unpack --image umoci:v1 umoci-bundle
  cp -a kinds/. umoci-bundle/rootfs/
  umoci --log=error repack --image umoci:v1 umoci-bundle
  rm -rf umoci-bundle
  umoci --log=error unpack --image umoci:v1 umoci-bundle
  rm -rf umoci-bundle/rootfs/gone umoci-bundle/rootfs/etc/passwd && rm -rf umoci-bundle/rootfs/opaque
  mkdir umoci-bundle/rootfs/opaque && echo new >umoci-bundle/rootfs/opaque/new && chmod 4711 umoci-bundle/rootfs/bin/tool
  umoci --log=error repack --image umoci:v1 umoci-bundle
  layers umoci umoci
fi
if command -v skopeo >/dev/null && [ -d umoci ]; then
  skopeo --insecure-policy copy --quiet --dest-decompress oci:umoci:v1 dir:plain
  skopeo --insecure-policy copy --quiet --dest-compress-format zstd dir:plain oci:skopeo:v1
  layers skopeo skopeo-zstd
fi
if command -v buildah >/dev/null; then
  mkdir small
  for package in base-files base-passwd busybox-static; do dpkg-deb --extract debs/${package}_*.deb small; done
  cp small/usr/share/base-passwd/passwd.master small/etc/passwd && cp small/usr/share/base-passwd/group.master small/etc/group
  ln -s busybox small/bin/sh
  export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
  in_own_storage() { buildah --root "$work/storage" --runroot "$work/run" "$@"; }
  layer() { in_own_storage run layer -- sh -c "$1" && in_own_storage commit --quiet --rm layer "$2" >/dev/null; }
  in_own_storage from --name layer scratch >/dev/null
  in_own_storage add --quiet layer small / >/dev/null
  layer true base
  in_own_storage from --name layer base >/dev/null
  layer 'cd /usr/share && rm -rf doc base-files/motd && mkdir doc && echo new >doc/new &&
    mkdir -p /home/someone && chown 1000:1000 /home/someone && chmod u+s /bin/busybox && mkfifo /fifo && ln /bin/busybox /usr/bin/dog' second
  in_own_storage from --name layer second >/dev/null
  layer 'rm /usr/bin/dog && chown 100000:100000 /home/someone && chmod 600 /etc/passwd' oci:buildah:v1
  layers buildah buildah
fi
cd "$out"
rm -rf "$work"
ls -d -- */ | wc -l
touch .made-1
