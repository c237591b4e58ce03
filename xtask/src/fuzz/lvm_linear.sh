# A volume over two disks, another dealt out to both.
one=$(losetup --find --show 0.img)
trap 'losetup --detach "$one"' EXIT
two=$(losetup --find --show 1.img)
trap 'losetup --detach "$one" "$two"' EXIT
run() {
    command=$1
    shift
    lvm "$command" --driverloaded n --devices "$one,$two" -y "$@" >&2
}
run pvcreate --metadatasize 64k --pvmetadatacopies 2 "$one" "$two"
run vgcreate -s 1m fuzz "$one" "$two"
run lvcreate -an -Zn -Wn -i 2 -n striped -L 4m fuzz
run lvcreate -an -Zn -Wn -n linear -L 16m fuzz
# The first volume takes 2 MiB of each disk, from 1 MiB on; the second follows it.
mke2fs -q -F -E offset=3145728 0.img 8192k
