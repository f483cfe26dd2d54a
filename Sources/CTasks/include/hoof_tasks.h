// Definitions of evaluation tasks inside the program, so that one file is all a user needs.
#pragma once
#include <stddef.h>

typedef struct {
  const char *name;
  /// JSON, UTF-8; no zero byte follows.
  const unsigned char *bytes;
  size_t size;
} hoof_task_file;

extern const hoof_task_file hoof_task_files[];
extern const size_t hoof_task_file_count;

/// For Swift, which does not import arrays whose size the header leaves open.
static inline const hoof_task_file *hoof_task_file_at(size_t index) { return &hoof_task_files[index]; }
