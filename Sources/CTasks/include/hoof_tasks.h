// Definitions of evaluation tasks inside the program, so that one file is all a user needs.
#pragma once
#include <stddef.h>

typedef struct {
  const char *name;
  const unsigned char *bytes;
  size_t size;
} hoof_task_file;

extern const hoof_task_file hoof_task_files[];
extern const size_t hoof_task_file_count;
