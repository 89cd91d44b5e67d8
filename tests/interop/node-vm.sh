#!/bin/bash
# Makes a node that boots in a virtual machine: usage, as root: node-vm.sh FOLDER
#
# It is a Debian with its own kernel, systemd, cgroup v2, AppArmor, containerd and sshd. FOLDER then has `kernel`, `initrd`, `disk.img`,
# `containerd.img` (the disk at /var/lib/containerd), `identity` (the key of the user `clouduser`, who may use sudo) and
# `host_key.pub`. What is there is kept. Exit code 2: the packages cannot be fetched.
set -eu -o pipefail
out=$(mkdir -p "$1" && cd "$1" && pwd)
[ -e "$out/.made-1" ] && exit 0
work=$out/.making
rm -rf "$out"/* "$work"
mkdir -p "$work"
cd "$work"

packages=apparmor,containerd,initramfs-tools,iproute2,linux-image-cloud-amd64,openssh-server,runc,sudo,systemd-sysv
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mmdebstrap --quiet --variant=minbase --include=$packages "$suite" root 2>mmdebstrap.log || { cat mmdebstrap.log >&2; exit 2; }

# an emulated processor would unpack the modules of all hardware for half a minute
printf 'MODULES=list\n' >root/etc/initramfs-tools/conf.d/node
printf 'virtio_pci\nvirtio_blk\next4\n' >>root/etc/initramfs-tools/modules
chroot root update-initramfs -u >/dev/null
cp root/boot/vmlinuz-* kernel
cp root/boot/initrd.img-* initrd

for name in identity host_key; do ssh-keygen -q -t ed25519 -N '' -C '' -f $name; done
chroot root useradd --create-home --shell /bin/bash clouduser
mkdir -m 700 root/home/clouduser/.ssh
cp identity.pub root/home/clouduser/.ssh/authorized_keys
chroot root chown -R clouduser:clouduser /home/clouduser/.ssh
echo 'clouduser ALL=(ALL) NOPASSWD: ALL' >root/etc/sudoers.d/clouduser
rm -f root/etc/ssh/ssh_host_*
cp -p host_key root/etc/ssh/ssh_host_ed25519_key
cp -p host_key.pub root/etc/ssh/ssh_host_ed25519_key.pub

echo node-vm >root/etc/hostname
echo '127.0.0.1 localhost node-vm' >root/etc/hosts
printf '[Match]\nName=en*\n[Network]\nAddress=10.0.2.15/24\n' >root/etc/systemd/network/20-node.network
cat >root/etc/fstab <<'FSTAB'
/dev/vda / ext4 noatime 0 1
/dev/vdb /var/lib/containerd ext4 noatime 0 2
tmpfs /tmp tmpfs noexec,nosuid,nodev 0 0
FSTAB
chroot root systemctl -q enable systemd-networkd ssh containerd
chroot root systemctl -q mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer getty@tty1.service
rm -rf root/boot/* root/usr/share/{doc,man,locale,zoneinfo,info}/*

truncate -s 2G disk.img
mkfs.ext4 -q -F -m 0 -d root disk.img
truncate -s 512M containerd.img
mkfs.ext4 -q -F -m 0 containerd.img
mv kernel initrd disk.img containerd.img identity host_key.pub "$out"
cd "$out"
rm -rf "$work"
touch .made-1
