// SPDX-License-Identifier: Apache-2.0 OR MIT OR GPL-2.0-only
//
// Marks what changes on one disk: one bit for each grain of 64 KiB, set when a request that changes
// it completes. Loaded once for each disk by ../src/program.rs; rebuilt by `cargo xtask bpf`.
//
// Only what is used of the kernel's structures is declared here. Their real layouts are looked up
// in the BTF of the running kernel when the program is loaded (CO-RE); a name that ends in three
// underscores and a word is another kernel's form of the structure before them.

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
typedef _Bool bool;

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

// From <linux/bpf.h>.
enum { BPF_MAP_TYPE_ARRAY = 2 };
enum { BPF_F_MMAPABLE = 1 << 10 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct gendisk {
	int major;
	int first_minor;
};

struct request_queue {
	struct gendisk *disk;
};

struct bvec_iter {
	__u64 bi_sector;
	__u32 bi_size;
} __attribute__((packed));

struct bio {
	struct bio *bi_next;
	struct bvec_iter bi_iter;
};

struct request {
	struct request_queue *q;
	__u32 cmd_flags;
	__u32 rq_flags;
	__u64 __sector;
	struct bio *bio;
};

// Linux before 5.17.
struct request___with_disk {
	struct gendisk *rq_disk;
};

#pragma clang attribute pop

// Linux since 6.12; before, the bit was a macro and always the same one.
enum rqf_flags {
	__RQF_IO_STAT = 8,
};
#define RQF_IO_STAT_BEFORE_6_12 (1U << 13)

// <linux/blk_types.h>: operations with the lowest bit set change the medium. Those from 32 on are
// commands that a driver or a program made itself; they carry no sector.
#define OPERATION_MASK 0xff
#define OPERATION_CHANGES 1
#define OPERATION_DISCARD 3
#define OPERATION_FIRST_PASS_THROUGH 32

#define SECTOR_SHIFT 9
#define GRAIN_SHIFT 7 // in sectors: 64 KiB
#define WORD_SHIFT (GRAIN_SHIFT + 6)

// Each step marks up to 4 MiB, or goes on to the next range of a discard. A discard has at most
// 256 ranges with common drivers, and no range has 4 GiB. Whatever is beyond the bound is not
// lost: it makes everything count as changed.
#define MAX_STEPS 1500

const volatile __u32 DISK_MAJOR = 0;
const volatile __u32 DISK_FIRST_MINOR = 0;

// How many words the bitmaps have is said when the program is loaded.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} written SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} discarded SEC(".maps");

// ../src/ledger.rs names the same words.
struct ledger_page {
	__u64 write_requests;
	__u64 written_bytes;
	__u64 discard_requests;
	__u64 discarded_bytes;
	// As the kernel counts into /sys/block/*/stat, at the same place.
	__u64 accounted_written_sectors;
	__u64 accounted_discarded_sectors;
	__u64 not_accounted_requests;
	// Any of these makes everything count as changed.
	__u64 pass_through_requests;
	__u64 too_large_requests;
	__u64 requests_beyond_the_end;
	// From here on the words are written by user space alone.
	__u64 disk_sectors;
	__u64 record[53];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ledger_page);
} ledger SEC(".maps");

static __always_inline struct gendisk *disk_of(struct request *rq)
{
	struct request___with_disk *old = (void *)rq;

	if (bpf_core_field_exists(old->rq_disk))
		return old->rq_disk;
	return rq->q->disk;
}

// What blk_do_io_stat() says in the kernel.
static __always_inline bool is_accounted(struct request *rq)
{
	if (bpf_core_enum_value_exists(enum rqf_flags, __RQF_IO_STAT))
		return rq->rq_flags & (1U << bpf_core_enum_value(enum rqf_flags, __RQF_IO_STAT));
	return rq->rq_flags & RQF_IO_STAT_BEFORE_6_12;
}

static __always_inline void mark(void *bitmap, __u32 word, __u64 mask)
{
	__u64 *bits = bpf_map_lookup_elem(bitmap, &word);

	// A bit that is set already needs no locked instruction. Should it be cleared right after
	// this look, the reader reads the medium after that, and so after this completion.
	if (bits && (*(volatile __u64 *)bits & mask) != mask)
		__sync_fetch_and_or(bits, mask);
}

// Marks what is in one word of the sectors from `start` to before `end`, and returns where to go
// on. A function of its own, and not static, so that the verifier looks at it once and not in each
// step of the loop that calls it.
__attribute__((noinline)) __u64 mark_step(__u64 discard, __u64 start, __u64 end)
{
	__u32 zero = 0;
	struct ledger_page *page = bpf_map_lookup_elem(&ledger, &zero);
	__u64 stop, first, last, mask;

	if (!page)
		return end;
	if (end > page->disk_sectors) {
		__sync_fetch_and_add(&page->requests_beyond_the_end, 1);
		return end;
	}
	stop = ((start >> WORD_SHIFT) + 1) << WORD_SHIFT;
	if (stop > end)
		stop = end;
	first = (start >> GRAIN_SHIFT) & 63;
	last = ((stop - 1) >> GRAIN_SHIFT) & 63;
	mask = (~0ULL << first) & (~0ULL >> (63 - last));
	if (discard)
		mark(&discarded, start >> WORD_SHIFT, mask);
	else
		mark(&written, start >> WORD_SHIFT, mask);
	return stop;
}

// Marks the ranges of a discard, which may be one behind the other in its chain of bios.
static __always_inline void mark_discard(struct ledger_page *page, struct bio *bio)
{
	__u64 start = 0, end = 0;

	for (int step = 0; step < MAX_STEPS; step++) {
		if (start >= end) {
			if (!bio)
				return;
			start = bio->bi_iter.bi_sector;
			end = start + (bio->bi_iter.bi_size >> SECTOR_SHIFT);
			bio = bio->bi_next;
		} else {
			start = mark_step(1, start, end);
		}
	}
	if (start < end || bio)
		__sync_fetch_and_add(&page->too_large_requests, 1);
}

static __always_inline void mark_write(struct ledger_page *page, __u64 start, __u64 end)
{
	for (int step = 0; step < MAX_STEPS; step++) {
		if (start >= end)
			return;
		start = mark_step(0, start, end);
	}
	if (start < end)
		__sync_fetch_and_add(&page->too_large_requests, 1);
}

// The second argument, the status, does not matter: a request that failed may have changed some of
// what it was to change.
SEC("tp_btf/block_rq_complete")
int on_completion(__u64 *arguments)
{
	struct request *rq = (struct request *)arguments[0];
	__u32 nr_bytes = (__u32)arguments[2];
	__u32 operation = rq->cmd_flags & OPERATION_MASK;
	struct gendisk *disk;
	struct ledger_page *page;
	struct bio *bio;
	__u32 zero = 0;

	if (!(operation & OPERATION_CHANGES))
		return 0;
	disk = disk_of(rq);
	if (!disk || disk->major != DISK_MAJOR || disk->first_minor != DISK_FIRST_MINOR)
		return 0;
	page = bpf_map_lookup_elem(&ledger, &zero);
	if (!page)
		return 0;
	if (operation >= OPERATION_FIRST_PASS_THROUGH) {
		__sync_fetch_and_add(&page->pass_through_requests, 1);
		return 0;
	}
	// A flush, or the end of a write that needed one: its data has been counted.
	if (!nr_bytes)
		return 0;

	// Marks come before counts: who sees an event counted finds it marked.
	bio = rq->bio;
	if (operation == OPERATION_DISCARD) {
		mark_discard(page, bio);
		__sync_fetch_and_add(&page->discard_requests, 1);
		__sync_fetch_and_add(&page->discarded_bytes, nr_bytes);
	} else {
		__u64 start = rq->__sector;

		mark_write(page, start, start + (((__u64)nr_bytes + 511) >> SECTOR_SHIFT));
		__sync_fetch_and_add(&page->write_requests, 1);
		__sync_fetch_and_add(&page->written_bytes, nr_bytes);
	}

	// blk_update_request() ends before it accounts for a request without a bio.
	if (!bio || !is_accounted(rq)) {
		__sync_fetch_and_add(&page->not_accounted_requests, 1);
		return 0;
	}
	if (operation == OPERATION_DISCARD)
		__sync_fetch_and_add(&page->accounted_discarded_sectors, nr_bytes >> SECTOR_SHIFT);
	else
		__sync_fetch_and_add(&page->accounted_written_sectors, nr_bytes >> SECTOR_SHIFT);
	return 0;
}

// The kernel lets only programs with a licence compatible with the GPL read its structures.
char LICENSE[] SEC("license") = "Dual MIT/GPL";
