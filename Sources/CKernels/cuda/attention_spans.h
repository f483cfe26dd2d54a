// How the attention kernels find their rows. Sequences are packed; where each starts stands in device memory (Spans), so a block looks its
// sequence up by itself and the host never waits. The query heads that share a key head are rows of one tile: row r of a sequence is query
// r / group, head r % group of the group, so keys and values are read once for the whole group and one decoding query fills several rows.
#pragma once
#include "device.h"

namespace attention {
static constexpr float log2_of_e = 1.4426950408889634f;
static constexpr float ln_of_2 = 0.6931471805599453f;

/// log2 of sum·2^greatest, where sum = Σ exp2(score - greatest); an infinite score makes the sum NaN, but not this.
HOOF_INLINE float log_of_sum(float greatest, float sum) { return greatest == infinity() ? greatest : greatest + log2f(sum); }

/// One sequence of the batch, as one key head sees it.
struct Sequence {
  i64 query, key;     // its first row in q and in k
  int queries, keys;  // its length in both
  int group;          // query heads per key head
  bool causal;

  HOOF_INLINE int rows() const { return queries * group; }
  /// How many keys a query sees, counted from the sequence's first; bottom-right aligned.
  HOOF_INLINE int visible_to_query(int query) const {
    int count = causal ? keys - queries + query + 1 : keys;
    return count > 0 ? count : 0;
  }
  /// The same for a row; rows behind the last see nothing. Never falls from one row to the next but there.
  HOOF_INLINE int visible(int row) const { return row < rows() ? visible_to_query(row / group) : 0; }
};

/// Spans and the heads' shape, as the host passes them.
struct Batch {
  const i32 *query_starts, *key_starts, *key_counts;
  int count, key_heads, group, head_dim;
  bool causal;

  HOOF_INLINE Sequence sequence(int index) const {
    int first = query_starts[index];
    return {first, key_starts[index], query_starts[index + 1] - first, key_counts[index], group, causal};
  }
  HOOF_INLINE i64 query_width() const { return (i64)key_heads * group * head_dim; }
  HOOF_INLINE i64 key_width() const { return (i64)key_heads * head_dim; }
};

/// What a block of a (sequence, key head, tile of rows) grid works on. The tile runs fastest, last tile first: under a causal mask it is
/// the longest, and tiles that share keys run at the same time.
struct BlockTile {
  int index, head, sequence;
  HOOF_INLINE BlockTile(u32 block, int tiles, int key_heads) {
    index = tiles - 1 - (int)(block % tiles);
    head = (int)(block / tiles % key_heads);
    sequence = (int)(block / tiles / key_heads);
  }
};

/// Rows of q, out or their gradients for one sequence and key head.
template <class T> struct QueryRows {
  T *first;
  i64 stride;
  int group, head_dim;
  HOOF_INLINE QueryRows(T *base, const Batch &batch, const Sequence &sequence, int head)
      : first(base + sequence.query * batch.query_width() + (i64)head * batch.group * batch.head_dim),
        stride(batch.query_width()), group(batch.group), head_dim(batch.head_dim) {}
  HOOF_INLINE T *row(int r) const {
    int query = r / group;
    return first + query * stride + (i64)(r - query * group) * head_dim;
  }
};

/// Rows of k, v or their gradients for one key head, from row `start` on.
template <class T> struct KeyRows {
  T *first;
  i64 stride;
  HOOF_INLINE KeyRows(T *base, const Batch &batch, i64 start, int head)
      : first(base + start * batch.key_width() + (i64)head * batch.head_dim), stride(batch.key_width()) {}
  HOOF_INLINE T *row(int r) const { return first + r * stride; }
};

/// Where a row's number (logSumExp and such) stands in a [queries, heads] matrix.
HOOF_INLINE i64 statistic_index(const Batch &batch, const Sequence &sequence, int head, int row) {
  int query = row / batch.group;
  return (sequence.query + query) * batch.key_heads * batch.group + (i64)head * batch.group + (row - query * batch.group);
}
}  // namespace attention

/// The batch among a kernel's parameters, and made of them.
#define HOOF_ATTENTION_SPANS                                                                                                               \
  const i32 *query_starts, const i32 *key_starts, const i32 *key_counts, i32 count, i32 key_heads, i32 group, i32 head_dim, i32 causal
#define HOOF_ATTENTION_BATCH                                                                                                               \
  attention::Batch { query_starts, key_starts, key_counts, count, key_heads, group, head_dim, causal != 0 }
