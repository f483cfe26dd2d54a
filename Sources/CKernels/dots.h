// Dot products of rows: four accumulators of lanes over blocks of 512 floats, blocks summed in double. Included once per level.

#define row_dot KERNEL(row_dot)
#define row_dot3 KERNEL(row_dot3)
#define DOT_BLOCK 512

/// Σ a·b
LANE double row_dot(const float *a, const float *b, size_t columns) {
  double total = 0;
  for (size_t start = 0; start < columns; start += DOT_BLOCK) {
    size_t end = columns - start < DOT_BLOCK ? columns : start + DOT_BLOCK, i = start;
    vf s0 = vset(0), s1 = s0, s2 = s0, s3 = s0;
    for (; i + 4 * W <= end; i += 4 * W) {
      s0 = vfma(vload(a + i), vload(b + i), s0);
      s1 = vfma(vload(a + i + W), vload(b + i + W), s1);
      s2 = vfma(vload(a + i + 2 * W), vload(b + i + 2 * W), s2);
      s3 = vfma(vload(a + i + 3 * W), vload(b + i + 3 * W), s3);
    }
    for (; i + W <= end; i += W) s0 = vfma(vload(a + i), vload(b + i), s0);
    if (i < end) s1 = vfma(vload_n(a + i, end - i, 0), vload_n(b + i, end - i, 0), s1);
    total += (double)vsum((s0 + s1) + (s2 + s3));
  }
  return total;
}

/// Σ a·b·c
LANE double row_dot3(const float *a, const float *b, const float *c, size_t columns) {
  double total = 0;
  for (size_t start = 0; start < columns; start += DOT_BLOCK) {
    size_t end = columns - start < DOT_BLOCK ? columns : start + DOT_BLOCK, i = start;
    vf s0 = vset(0), s1 = s0;
    for (; i + 2 * W <= end; i += 2 * W) {
      s0 = vfma(vload(a + i) * vload(b + i), vload(c + i), s0);
      s1 = vfma(vload(a + i + W) * vload(b + i + W), vload(c + i + W), s1);
    }
    for (; i + W <= end; i += W) s0 = vfma(vload(a + i) * vload(b + i), vload(c + i), s0);
    if (i < end) s1 = vfma(vload_n(a + i, end - i, 0) * vload_n(b + i, end - i, 0), vload_n(c + i, end - i, 0), s1);
    total += (double)vsum(s0 + s1);
  }
  return total;
}
