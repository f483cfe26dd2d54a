// The switch ends in an indirect jump: a `ret` to another fiber is mispredicted every time and costs twice as much.
#include "fiber.h"

#include <string.h>

#if defined(__x86_64__)
asm(R"(.text
.p2align 4
.hidden simt_switch
.globl simt_switch
.type simt_switch,@function
simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rcx
  jmp *%rcx
.size simt_switch, .-simt_switch
)");
#elif defined(__aarch64__)
asm(R"(.text
.p2align 4
.hidden simt_switch
.globl simt_switch
.type simt_switch,%function
simt_switch:
  sub sp, sp, #160
  stp x19, x20, [sp]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size simt_switch, .-simt_switch
)");
#else
#error "the emulator knows x86-64 and aarch64"
#endif

namespace simt {
static const unsigned long long canary = 0x68756d6d696e6762ull;

void *new_context(char *low, unsigned colour, void (*function)()) {
  void **top = (void **)(low + stackBytes - colour % 64 * 320 % 20480 / 64 * 64);
#if defined(__x86_64__)
  *--top = nullptr;  // what entry takes for its return address: the stack is then aligned as after a call
  *--top = (void *)function;
  for (int i = 0; i < 6; i++) *--top = nullptr;
#else
  top -= 20;
  memset(top, 0, 160);
  top[11] = (void *)function;
#endif
  return top;
}

void guard_stack(char *low) { memcpy(low, &canary, sizeof canary); }
bool stack_intact(const char *low) { return memcmp(low, &canary, sizeof canary) == 0; }
}  // namespace simt
