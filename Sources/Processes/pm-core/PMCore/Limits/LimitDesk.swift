import PMSystem
import PMWire

/// What became of a request at the limits, and what the answer's headers say of it.
struct LimitDecision: Equatable, Sendable {
  enum Scope: Sendable { case key, global }

  let isAdmitted: Bool
  /// The limit that refused, or that the headers of an admitted request show.
  let scope: Scope
  let limit: Int
  /// After this request.
  let remaining: Int
  /// When the next place falls free; after a refusal, when the next request would pass.
  let resetUnixSeconds: Int64
  /// Whole seconds until then, at least 1.
  let retryAfterSeconds: Int
}

/// The request limits of all keys together and of each key, as sliding windows in memory. A request
/// is admitted by both or takes a place in neither.
final class LimitDesk {
  private(set) var global: RequestWindow
  private var window: AdmissionWindow

  init(global: RequestWindow) {
    self.global = global
    window = AdmissionWindow(limit: global.requests, seconds: global.seconds)
  }

  /// Admits a request, first by the limit of its key, then by that of all keys together.
  func admit(_ key: KeyRecord, at now: Instant, wall: WallTime) -> LimitDecision {
    let moment = Int64(clamping: now.nanoseconds)
    // A key's own limit counts over the window of the global one.
    key.fitWindow(seconds: global.seconds)
    let keyHasPlace = key.window?.hasPlace(at: moment) ?? true
    guard keyHasPlace else { return decision(key, admitted: false, moment, wall) }
    guard window.hasPlace(at: moment) else {
      return decision(nil, admitted: false, moment, wall)
    }
    key.window?.take(at: moment)
    window.take(at: moment)
    return decision(key.window == nil ? nil : key, admitted: true, moment, wall)
  }

  /// Takes the place of a request that was admitted before this process started.
  func restore(_ key: KeyRecord?, admitted time: WallTime, at now: Instant, wall: WallTime) {
    let age = max(0, wall.microseconds - time.microseconds)
    guard age < Int64(global.seconds) * 1_000_000 else { return }
    // Before the boot of the machine the monotonic clock is negative.
    let moment = Int64(clamping: now.nanoseconds) - age * 1000
    // Admitted is admitted: a limit that was lowered since may be exceeded until the places end.
    window.take(at: moment)
    key?.fitWindow(seconds: global.seconds)
    key?.window?.take(at: moment)
  }

  /// Puts another global limit in force; what was admitted stays counted.
  func change(global: RequestWindow) {
    self.global = global
    window.change(limit: global.requests, seconds: global.seconds)
  }

  private func decision(
    _ key: KeyRecord?, admitted: Bool, _ moment: Int64, _ wall: WallTime
  ) -> LimitDecision {
    let shown = key?.window ?? window
    let wait = shown.nanosecondsUntilFree(at: moment)
    let waitSeconds = (wait + 999_999_999) / 1_000_000_000
    // Rounded up, so that a client that comes then is not refused again.
    let reset = (wall.microseconds + wait / 1000).ceilingSeconds
    return LimitDecision(
      isAdmitted: admitted, scope: key == nil ? .global : .key, limit: shown.limit,
      remaining: admitted ? shown.remaining : 0, resetUnixSeconds: reset,
      retryAfterSeconds: Int(max(1, waitSeconds)))
  }
}

extension Int64 {
  /// Microseconds as whole seconds, rounded up.
  fileprivate var ceilingSeconds: Int64 { (self + 999_999).floorDivided(by: 1_000_000) }
}
