// The compiler writes the definitions into this file's dependencies, so a changed one is built anew.
#include "hoof_tasks.h"

const hoof_task_file hoof_task_files[] = {
    {0, 0, 0},
};
const size_t hoof_task_file_count = 0;
