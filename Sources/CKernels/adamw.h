// What AdamW does with its moments. Included once per level, behind lanes.h.
#define adamw_moved KERNEL(adamw_moved)

/// The parameter after a step with these moments.
LANE vf adamw_moved(const struct hoof_adamw *u, vf p, vf m, vf v) {
  vf step = m * u->first_correction / (vsqrt(v * u->second_correction) + u->epsilon);
  return p - u->rate * vfma(vset(u->decay), p, step);
}
