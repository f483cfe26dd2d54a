#include "adamw8.cu"
