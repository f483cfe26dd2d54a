// Which lanes of two vectors, counted one behind the other, make the two vectors of one step of a transposing butterfly: blocks of `s` lanes
// off the diagonal change places. The includer defines LANES. Undefines what an earlier inclusion with other LANES left.
#undef NEAR
#undef FAR
#undef PATTERN
#if LANES == 16
#define NEAR(l, s) ((l) & (s) ? 16 + (l) - (s) : (l))
#define FAR(l, s) ((l) & (s) ? 16 + (l) : (l) + (s))
#define PATTERN(f, s) f(0, s), f(1, s), f(2, s), f(3, s), f(4, s), f(5, s), f(6, s), f(7, s), f(8, s), f(9, s), f(10, s), f(11, s), f(12, s), f(13, s), f(14, s), f(15, s)
#elif LANES == 8
#define NEAR(l, s) ((l) & (s) ? 8 + (l) - (s) : (l))
#define FAR(l, s) ((l) & (s) ? 8 + (l) : (l) + (s))
#define PATTERN(f, s) f(0, s), f(1, s), f(2, s), f(3, s), f(4, s), f(5, s), f(6, s), f(7, s)
#else
#define NEAR(l, s) ((l) & (s) ? 4 + (l) - (s) : (l))
#define FAR(l, s) ((l) & (s) ? 4 + (l) : (l) + (s))
#define PATTERN(f, s) f(0, s), f(1, s), f(2, s), f(3, s)
#endif
