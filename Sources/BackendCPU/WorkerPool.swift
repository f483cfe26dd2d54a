import CKernels
import Glibc
import Synchronization

/// The threads an op is split over. Ops of a small model take microseconds, so a worker that has just finished keeps looking for the next
/// job for a moment before it goes to sleep; waking a sleeping thread costs more than many an op.
final class WorkerPool: Sendable {
  private let crew: Crew

  /// `workers` threads beside the caller's own; they start with the first job.
  init(workers: Int) { crew = Crew(size: workers) }

  deinit { crew.dismiss() }

  /// Runs `job` on the caller and on whatever workers are awake in time; returns when every run of it has ended. Runs it on the caller alone
  /// when the pool is busy with another caller's job, or when called from inside one.
  func run(_ job: () -> Void) {
    guard crew.claim() else { return job() }
    withoutActuallyEscaping(job) { job in
      crew.open(job)
      job()
      crew.close()
    }
  }
}

/// What workers and callers share; workers keep it alive.
private final class Crew: Sendable {
  private let size: Int
  /// Counts jobs, so that workers see a new one.
  private let generation = Atomic(0)
  /// Workers inside the open job; far below zero while no job is open.
  private let gate = Atomic(Crew.closed)
  private let isClaimed = Atomic(false)
  private let isDismissed = Atomic(false)
  private let sleepers = Atomic(0)
  private let hasStarted = Atomic(false)
  private let lock = SleepLock()
  /// Written by the claimant before the gate opens, read by workers after they passed it.
  private nonisolated(unsafe) var job: () -> Void = {}

  private static let closed = Int.min / 2
  /// About 50 microseconds of looking: longer than the gap between two ops of a forward pass.
  private static let looks = 4000
  /// Looks at a job's end before the processor is offered to others: a worker may have lost its core.
  private static let patience = 20_000

  init(size: Int) { self.size = size }

  func claim() -> Bool {
    guard size > 0, isClaimed.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else { return false }
    if !hasStarted.exchange(true, ordering: .relaxed) { start() }
    return true
  }

  func open(_ job: @escaping () -> Void) {
    self.job = job
    gate.store(0, ordering: .releasing)
    generation.wrappingAdd(1, ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 { lock.wakeAll() }
  }

  func close() {
    gate.wrappingAdd(Crew.closed, ordering: .acquiringAndReleasing)
    var looks = 0
    while gate.load(ordering: .acquiring) != Crew.closed {
      looks += 1
      if looks < Crew.patience { hoof_pause() } else { sched_yield() }
    }
    job = {}
    isClaimed.store(false, ordering: .releasing)
  }

  func dismiss() {
    isDismissed.store(true, ordering: .sequentiallyConsistent)
    generation.wrappingAdd(1, ordering: .sequentiallyConsistent)
    lock.wakeAll()
  }

  private func start() {
    for _ in 0..<size {
      var thread = pthread_t()
      let crew = Unmanaged.passRetained(self)
      let code = pthread_create(
        &thread, nil,
        {
          Unmanaged<Crew>.fromOpaque($0!).takeRetainedValue().work(); return nil
        }, crew.toOpaque())
      // A system that gives no more threads leaves the caller with those it has.
      if code == 0 { pthread_detach(thread) } else { crew.release() }
    }
  }

  private func work() {
    var seen = 0
    while true {
      waitForJob(after: seen)
      seen = generation.load(ordering: .sequentiallyConsistent)
      if isDismissed.load(ordering: .sequentiallyConsistent) { return }
      guard enter() else { continue }
      job()
      gate.wrappingSubtract(1, ordering: .releasing)
    }
  }

  /// False when the job is over already.
  private func enter() -> Bool {
    var inside = gate.load(ordering: .relaxed)
    while inside >= 0 {
      let attempt = gate.weakCompareExchange(expected: inside, desired: inside + 1, ordering: .acquiring)
      if attempt.exchanged { return true }
      inside = attempt.original
    }
    return false
  }

  private func waitForJob(after seen: Int) {
    for _ in 0..<Crew.looks {
      if generation.load(ordering: .acquiring) != seen { return }
      hoof_pause()
    }
    lock.sleep(counting: sleepers) { generation.load(ordering: .sequentiallyConsistent) == seen }
  }
}

/// A mutex and a condition variable.
private final class SleepLock: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func sleep(counting sleepers: borrowing Atomic<Int>, while holds: () -> Bool) {
    pthread_mutex_lock(mutex)
    sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
    while holds() { pthread_cond_wait(condition, mutex) }
    sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(mutex)
  }

  func wakeAll() {
    pthread_mutex_lock(mutex)
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }
}
