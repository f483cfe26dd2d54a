#ifndef HOOF_EVENT_H
#define HOOF_EVENT_H

// First: libevent's headers define _GNU_SOURCE, and structures of the system must look here as they do in Swift's other modules.
#include <sys/types.h>

// libevent 2.1 (apt package libevent-dev), linked statically.
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <event2/thread.h>

#endif
