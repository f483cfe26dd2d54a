// What a kernel did wrong: one line on stderr, then the code that every later call of the driver returns.
#pragma once

namespace simt {
constexpr int illegalAddress = 700, misalignedAddress = 716, launchFailed = 719;

/// Ends the running block: prints kernel, block, thread and the message.
[[noreturn]] __attribute__((format(printf, 2, 3))) void fail(int code, const char *message, ...);
/// The same for what happens outside of kernels; returns.
__attribute__((format(printf, 2, 3))) void report(int code, const char *message, ...);
/// 0, or the first fault's code.
int sticky_error();
}  // namespace simt
