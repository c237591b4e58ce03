# A mirror of version 1.2, written out: mdadm makes one only with the kernel's help. What it holds
# begins at 1 MiB. Its checksum is wrong, which no reader minds that is built for fuzzing.
put() {
    file=$1
    shift
    printf "$2" | dd of="$file" bs=1 seek=$((4096 + $1)) conv=notrunc status=none
}
for disk in 0 1; do
    put $disk.img 0 '\374\116\053\251\001'
    put $disk.img 16 '0123456789abcdefhost:7'
    put $disk.img 72 '\001'
    put $disk.img 80 '\000\020'
    put $disk.img 92 '\002'
    put $disk.img 128 '\000\010'
    put $disk.img 136 '\000\020'
    put $disk.img 144 '\010'
    put $disk.img 160 "\\00$disk"
    put $disk.img 200 '\021'
    put $disk.img 208 '\377\377\377\377\377\377\377\377'
    put $disk.img 220 '\200'
    put $disk.img 256 '\000\000\001\000'
    mke2fs -q -F -E offset=1048576 $disk.img 2048k
done
