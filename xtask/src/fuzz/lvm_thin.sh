# A pool with a thin volume. Without a device mapper LVM makes none: its text is changed instead.
one=$(losetup --find --show 0.img)
trap 'losetup --detach "$one"' EXIT
run() {
    command=$1
    shift
    lvm "$command" --driverloaded n --devices "$one" -y "$@" >&2
}
run pvcreate --metadatasize 64k "$one"
run vgcreate -s 4m fuzz "$one"
run lvcreate -an -Zn -Wn -n data -L 20m fuzz
run lvcreate -an -Zn -Wn -n metadata -L 4m fuzz
run vgcfgbackup -f text fuzz
cat > volumes <<'END'
pool {
id = "AAAAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAAA1"
status = ["READ", "WRITE", "VISIBLE"]
flags = []
segment_count = 1
segment1 {
start_extent = 0
extent_count = 5
type = "thin-pool"
metadata = "pool_tmeta"
pool = "pool_tdata"
transaction_id = 2
chunk_size = 256
discards = "passdown"
zero_new_blocks = 1
}
}
thin {
id = "AAAAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAAA2"
status = ["READ", "WRITE", "VISIBLE"]
flags = []
segment_count = 1
segment1 {
start_extent = 0
extent_count = 10
type = "thin"
thin_pool = "pool"
transaction_id = 1
device_id = 1
}
}
END
sed -e '/logical_volumes {/r volumes' -e '/\sdata {/,/VISIBLE/s/, "VISIBLE"//' \
    -e '/\smetadata {/,/VISIBLE/s/, "VISIBLE"//' \
    -e 's/\sdata {/ pool_tdata {/' -e 's/\smetadata {/ pool_tmeta {/' text > changed
run vgcfgrestore --force -f changed fuzz
cat > map.xml <<'END'
<superblock uuid="" time="1" transaction="2" flags="0" version="2" data_block_size="256" nr_data_blocks="160">
<device dev_id="1" mapped_blocks="11" transaction="1" creation_time="0" snap_time="0">
<range_mapping origin_begin="0" data_begin="0" length="10" time="0"/>
<single_mapping origin_block="100" data_block="159" time="0"/></device></superblock>
END
truncate -s 4M metadata
thin_restore --quiet -i map.xml -o metadata
# The extents begin at 1 MiB; the metadata follow the five of the data.
dd if=metadata of=0.img bs=1M seek=21 conv=notrunc status=none
# What the thin volume holds begins with the pool's data.
mke2fs -q -F -E offset=1048576 0.img 1024k
rm text changed volumes map.xml metadata
