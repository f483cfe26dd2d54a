// Streams that run as late as they may: work stays in its queue until somebody waits for it, so that a missing wait shows. Only the
// queue's depth limits that, as on the device.
#include <time.h>

#include "driver.h"

namespace driver {
constexpr size_t depth = 1024;
/// An event that is asked this often has its work run, so that who polls comes to an end.
constexpr int patience = 4;

std::shared_ptr<Stream> stream_of(void *handle) {
  static const std::shared_ptr<Stream> standard = std::make_shared<Stream>();
  if ((u64)handle <= 2) return standard;
  auto found = device().streams.find((Stream *)handle);
  return found == device().streams.end() ? nullptr : found->second;
}

void drain(Stream &stream, u64 upTo) {
  while (stream.executed < upTo && !stream.queue.empty()) {
    std::function<void()> work = std::move(stream.queue.front());
    stream.queue.pop_front();
    if (!sticky_error()) work();
    stream.executed++;
  }
}

void drain_all() {
  std::vector<std::shared_ptr<Stream>> all;
  for (auto &s : device().streams) all.push_back(s.second);
  for (auto &s : all) drain(*s, s->queued);
}

int enqueue(const std::shared_ptr<Stream> &stream, std::function<void()> work) {
  if (stream == stream_of(nullptr)) {
    for (auto &s : device().streams)
      if (s.second->blocking) drain(*s.second, s.second->queued);
    if (!sticky_error()) work();
    stream->queued++;
    stream->executed++;
    return sticky_error();
  }
  stream->queue.push_back(std::move(work));
  stream->queued++;
  if (stream->queue.size() > depth) drain(*stream, stream->executed + depth / 2);
  return sticky_error();
}

static bool is_event(void *handle) { return device().events.count((Event *)handle) != 0; }
static bool is_done(const Event &e) { return !e.recorded || e.stream->executed >= e.position; }
static double seconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
}  // namespace driver

using namespace driver;

HOOF_ENTRY(cuStreamCreate, void **handle, unsigned flags) {
  HOOF_CALL(cuStreamCreate, context);
  if (!handle || flags > 1) return invalidValue;
  auto stream = std::make_shared<Stream>();
  stream->blocking = flags == 0;
  device().streams[stream.get()] = stream;
  *handle = stream.get();
  return success;
}

HOOF_ENTRY(cuStreamDestroy_v2, void *handle) {
  HOOF_CALL(cuStreamDestroy_v2, context);
  auto stream = stream_of(handle);
  if (!stream || (u64)handle <= 2) return invalidHandle;
  drain(*stream, stream->queued);
  device().streams.erase(stream.get());
  return sticky_error();
}

HOOF_ENTRY(cuStreamSynchronize, void *handle) {
  HOOF_CALL(cuStreamSynchronize, context);
  auto stream = stream_of(handle);
  if (!stream) return invalidHandle;
  drain(*stream, stream->queued);
  return sticky_error();
}

HOOF_ENTRY(cuStreamWaitEvent, void *handle, void *eventHandle, unsigned flags) {
  HOOF_CALL(cuStreamWaitEvent, context);
  auto stream = stream_of(handle);
  if (!stream || !is_event(eventHandle)) return invalidHandle;
  if (flags > 1) return invalidValue;
  const Event &event = *(Event *)eventHandle;
  if (is_done(event)) return success;
  return enqueue(stream, [other = event.stream, position = event.position] { drain(*other, position); });
}

HOOF_ENTRY(cuEventCreate, void **handle, unsigned flags) {
  HOOF_CALL(cuEventCreate, context);
  if (!handle || flags > 7) return invalidValue;
  Event *event = new Event;
  event->timed = !(flags & 2);
  device().events.insert(event);
  *handle = event;
  return success;
}

HOOF_ENTRY(cuEventRecord, void *handle, void *streamHandle) {
  HOOF_CALL(cuEventRecord, context);
  auto stream = stream_of(streamHandle);
  if (!stream || !is_event(handle)) return invalidHandle;
  Event &event = *(Event *)handle;
  event.recorded = true;
  event.questions = 0;
  event.stream = stream;
  u64 position = event.position = stream->queued + 1;
  return enqueue(stream, [handle, position] {
    // Unless it was destroyed or recorded anew.
    if (is_event(handle) && ((Event *)handle)->position == position) ((Event *)handle)->seconds = seconds();
  });
}

HOOF_ENTRY(cuEventSynchronize, void *handle) {
  HOOF_CALL(cuEventSynchronize, context);
  if (!is_event(handle)) return invalidHandle;
  Event &event = *(Event *)handle;
  if (event.recorded) drain(*event.stream, event.position);
  return sticky_error();
}

HOOF_ENTRY(cuEventQuery, void *handle) {
  HOOF_CALL(cuEventQuery, context);
  if (!is_event(handle)) return invalidHandle;
  Event &event = *(Event *)handle;
  if (!is_done(event) && ++event.questions >= patience) drain(*event.stream, event.position);
  if (int code = sticky_error()) return code;
  return is_done(event) ? success : notReady;
}

HOOF_ENTRY(cuEventElapsedTime, float *milliseconds, void *from, void *to) {
  HOOF_CALL(cuEventElapsedTime, context);
  if (!is_event(from) || !is_event(to)) return invalidHandle;
  const Event &start = *(Event *)from, &end = *(Event *)to;
  if (!milliseconds) return invalidValue;
  if (!start.recorded || !end.recorded || !start.timed || !end.timed) return invalidHandle;
  if (!is_done(start) || !is_done(end)) return notReady;
  *milliseconds = (float)((end.seconds - start.seconds) * 1e3);
  return success;
}

HOOF_ENTRY(cuEventDestroy_v2, void *handle) {
  HOOF_CALL(cuEventDestroy_v2, context);
  if (!is_event(handle)) return invalidHandle;
  device().events.erase((Event *)handle);
  delete (Event *)handle;
  return success;
}
