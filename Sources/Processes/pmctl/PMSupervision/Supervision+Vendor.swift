internal import PMWire

/// What is different for the vendor's program: core drains it, and core knows how it does.
extension Supervision {
  /// The generation of core that can be told something.
  private var listeningCore: Generation? {
    guard let core = services[.core].current, core.phase == .serving else { return nil }
    return core
  }

  mutating func tellCore(_ instruction: Instruction) {
    guard let core = listeningCore else { return }
    effects.append(.tell(.core, core.number, instruction))
  }

  /// Core stops sending, finishes what is in flight and says so; then comes SIGINT.
  mutating func drainVendor() {
    for timer: Timer in [.vendorStall, .vendorQuiet, .vendorRefresh] { timers.cancel(timer) }
    guard listeningCore != nil else { return interruptVendor() }
    vendorHealth = nil
    tellCore(.drainVendor)
    timers.set(.vendorDrain, now.adding(seconds: settings.vendorDrainSeconds))
  }

  mutating func interruptVendor() {
    timers.cancel(.vendorDrain)
    guard let vendor = services[.vendor].current, vendor.phase == .draining,
      !timers.isArmed(.drain(.vendor, vendor.number))
    else { return }
    timers.set(
      .drain(.vendor, vendor.number), now.adding(seconds: Limits.vendorInterruptSeconds))
    effects.append(.askToLeave(.vendor, vendor.number))
  }

  mutating func heardOfVendor(_ report: Report) {
    if let health = report.vendor { vendorHealth = health }
    let inFlight = services[.core].current?.inFlight ?? 0
    if services[.vendor].state == .draining {
      if vendorHealth == .draining, inFlight == 0 { interruptVendor() }
      return
    }
    watchStall()
    if timers.isArmed(.vendorRefresh) { watchQuiet(inFlight) }
    if vendorHealth == .failing { careForVendor() }
  }

  private mutating func watchStall() {
    if vendorHealth != .stalled {
      timers.cancel(.vendorStall)
    } else if !timers.isArmed(.vendorStall) {
      timers.set(.vendorStall, now.adding(seconds: Limits.vendorStallSeconds))
    }
  }

  private mutating func watchQuiet(_ inFlight: Int) {
    if inFlight > 0 {
      timers.cancel(.vendorQuiet)
    } else if !timers.isArmed(.vendorQuiet) {
      timers.set(.vendorQuiet, now.adding(seconds: Limits.vendorQuietSeconds))
    }
  }

  mutating func vendorLostRefresh() {
    guard services[.vendor].state == .ready, !timers.isArmed(.vendorRefresh) else { return }
    timers.set(.vendorRefresh, now.adding(seconds: Limits.vendorRefreshSecondsMax))
    watchQuiet(services[.core].current?.inFlight ?? 0)
  }

  /// Restarts a vendor that lives but does not serve, not more often than it could help.
  mutating func careForVendor() {
    guard services[.vendor].state == .ready, services[.vendor].isWanted, !isLeaving else { return }
    if let last = lastCareAt, now.millisecondsSince(last) < Limits.vendorCareSeconds * 1000 {
      return
    }
    lastCareAt = now
    stop(.vendor, .ailing, .probe)
  }
}
