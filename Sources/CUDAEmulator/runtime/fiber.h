// Switching between stacks.
#pragma once
/// Saves the callee's registers on this stack and its pointer in *save, and goes on where `to` was saved.
extern "C" __attribute__((visibility("hidden"))) void simt_switch(void **save, void *to);

namespace simt {
constexpr unsigned long stackBytes = 64 << 10;
/// A context that enters `function` (which never returns) on the stack that starts at `low`; `colour` spreads the stacks' hot ends over the
/// sets of the cache.
void *new_context(char *low, unsigned colour, void (*function)());
/// Writes a word at the far end of the stack, and checks it.
void guard_stack(char *low);
bool stack_intact(const char *low);
}  // namespace simt
