#ifndef HOOF_PAGE_H
#define HOOF_PAGE_H

#include <stddef.h>

/// The chat page: UTF-8, one HTML file with its style and its script inside, which asks nothing of anybody but the server it came from.
/// `<style>`, `</style>`, `<script>` and `</script>` occur in it exactly once each, so a Content-Security-Policy can allow them by the
/// SHA-256 of what stands between them (as Tests/page/server.py does). The page needs no other permission than that,
/// `connect-src 'self'` and `img-src data:`. No zero byte follows.
extern const unsigned char hoof_page[];
/// In bytes.
extern const size_t hoof_page_size;

/// `hoof_page` for Swift, which does not import arrays whose size the header leaves open.
static inline const unsigned char *hoof_page_start(void) { return hoof_page; }

#endif
