import PMSystem
import PMWire

/// The vendor's share on the loop: tells each call that waits when it is its turn, or that its turn
/// will not come in time.
final class VendorQueue {
  private let core: CoreLoop
  private var alarm: Alarm?

  init(of core: CoreLoop) { self.core = core }

  private var share: VendorShare<Call> {
    _read { yield core.admission.share }
    _modify { yield &core.admission.share }
  }

  private var now: Int64 { Int64(clamping: core.events.now.nanoseconds) }

  /// Asks for a call's share; the answer comes at once or later.
  func enter(_ call: Call, _ amounts: VendorAmounts) {
    guard let alarm = self.alarm ?? makeAlarm() else { return call.refuse(.overloaded) }
    share.pause(until: Int64(clamping: core.health.throttledUntil.nanoseconds))
    let (entry, displaced) = share.enter(call, of: call.key, amounts, at: now)
    displaced.map { $0.ticket.shareRefused(nanoseconds: $0.wait) }
    switch entry {
    case .served: call.shareGranted()
    case .waits: setDeadline(of: alarm)
    case .refused(let wait): call.shareRefused(nanoseconds: wait)
    }
  }

  func leave(_ call: Call) { share.leave(call) }

  func settle(_ expected: VendorAmounts, to actual: VendorAmounts) {
    share.settle(expected, to: actual, at: now)
    if share.waitingCount > 0 { look() }
  }

  /// Counts what core asks on its own account.
  func count(_ amounts: VendorAmounts) { share.take(amounts, at: now) }

  private func makeAlarm() -> Alarm? {
    let alarm = Alarm { [unowned self] in look() }
    guard (try? core.events.add(alarm)) != nil else { return nil }
    self.alarm = alarm
    return alarm
  }

  private func look() {
    share.pause(until: Int64(clamping: core.health.throttledUntil.nanoseconds))
    while true {
      while let call = share.serveNext(at: now) { call.shareGranted() }
      // Who stands behind one that is given up may have room.
      guard let (call, wait) = share.expireNext(at: now) else { break }
      call.shareRefused(nanoseconds: wait)
    }
    if let alarm { setDeadline(of: alarm) }
  }

  private func setDeadline(of alarm: Alarm) {
    let wake = share.wake(at: now).map { Instant(nanoseconds: UInt64(max(0, $0))) }
    core.events.setDeadline(alarm, wake ?? .never)
  }
}
