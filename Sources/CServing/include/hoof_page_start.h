#ifndef HOOF_PAGE_START_H
#define HOOF_PAGE_START_H

#include "hoof_page.h"

/// Where the page begins: Swift sees no arrays of unknown size.
static inline const unsigned char *hoof_page_start(void) { return hoof_page; }

#endif
