// The chat page inside the program. The compiler writes page.html into this file's dependencies, so a changed page is built anew.
#include "hoof_page.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

const unsigned char hoof_page[] = {
#embed "page.html"
};
const size_t hoof_page_size = sizeof hoof_page;
