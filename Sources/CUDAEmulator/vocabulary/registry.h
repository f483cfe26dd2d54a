// How a kernel file makes its kernels known to cuModuleGetFunction.
#pragma once
#include "types.h"
#include <type_traits>
#include <utility>

namespace simt {
struct Parameter {
  u32 size, alignment;
};
/// Calls the kernel for the current thread with the parameters that these addresses hold.
typedef void (*Thunk)(void *const *parameters);
struct Registration {
  Registration(const char *name, Thunk thunk, const Parameter *parameters, int count);
};

template <auto kernel, class F = decltype(kernel)> struct Kernel;
template <auto kernel, class... A> struct Kernel<kernel, void (*)(A...)> {
  static constexpr Parameter parameters[sizeof...(A) + 1] = {{sizeof(A), alignof(A)}..., {0, 1}};
  template <size_t... i> __attribute__((disable_sanitizer_instrumentation)) static void call(void *const *p, std::index_sequence<i...>) {
    kernel(*(std::remove_cv_t<A> *)p[i]...);
  }
  __attribute__((disable_sanitizer_instrumentation)) static void thunk(void *const *p) { call(p, std::index_sequence_for<A...>{}); }
};
}  // namespace simt

#define HOOF_EXPORT(kernel)                                                                                   \
  static simt::Registration hoof_registration_of_##kernel(#kernel, &simt::Kernel<&kernel>::thunk,             \
                                                          simt::Kernel<&kernel>::parameters,                  \
                                                          (int)(sizeof(simt::Kernel<&kernel>::parameters) /  \
                                                                sizeof(simt::Parameter)) - 1);
