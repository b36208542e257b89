import PMHTTP
import PMSystem
import PMWire

/// What a call takes of the limits when its body has ended, and how it gives that back.
extension Call {
  /// Takes what the request may come to. False if it was refused.
  func reserveLimits() -> Bool {
    let reservation = core.admission.reserve(
      RequestNeed(facts, route), at: price, for: key, at: core.events.now, made: id.time)
    switch reservation {
    case .made(let lease):
      self.lease = lease
      return true
    case .refused(let error):
      refuse(error)
      return false
    }
  }

  /// Waits for its share of the vendor's limits.
  func askForShare() {
    guard let lease else { return }
    phase = .queued
    core.vendorQueue.enter(self, lease.amounts)
  }

  func shareGranted() {
    isShareTaken = true
    reserve()
  }

  /// It would not be its turn in time.
  func shareRefused(nanoseconds wait: Int64) {
    refuse(.vendorShare.retrying(after: wait.wholeSeconds))
  }

  /// Puts the truth in place of what was reserved; the first time counts.
  func settleLimits(_ usage: Usage, nanoEuro: Int64) {
    settleLimits(
      tokens: usage.tokens ?? TokenWindow.tokensMax, nanoEuro: nanoEuro,
      usage.flags.contains(.notSent) ? VendorAmounts() : VendorAmounts(usage))
  }

  /// What became of the request is not on disk: what was reserved stays spent.
  func keepReservation() {
    guard let lease else { return }
    settleLimits(tokens: lease.tokens, nanoEuro: lease.nanoEuro ?? 0, lease.amounts)
  }

  private func settleLimits(tokens: Int64, nanoEuro: Int64, _ amounts: VendorAmounts) {
    guard let lease else { return }
    self.lease = nil
    core.admission.settle(
      lease, of: key, tokens: tokens, nanoEuro: nanoEuro, at: core.events.now)
    if isShareTaken { core.vendorQueue.settle(lease.amounts, to: amounts) }
  }

  // MARK: Headers

  /// Lines of all header families, as the limits stand now.
  func writeLimits(to out: inout ByteBuffer) {
    let tokens = core.admission.tokenStanding(key, at: core.events.now)
    decision.write(tokens, route.dialect, to: &out)
  }

  var limitFields: String {
    decision.fields(core.admission.tokenStanding(key, at: core.events.now), route.dialect)
  }
}
