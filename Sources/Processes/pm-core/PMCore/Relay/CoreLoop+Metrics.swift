extension CoreLoop {
  /// All numbers of core in the Prometheus exposition format.
  func metricText() -> String {
    var page = MetricPage()
    metrics.write(to: &page)
    func gauge(_ name: String, _ value: Int, _ help: String) {
      page.family(name, .gauge, help)
      page.sample(name, "", UInt64(clamping: value))
    }
    gauge("privatemode_requests_in_flight", inFlight, "Requests that cost money, not settled yet.")
    gauge("privatemode_vendor_requests", vendorCalls, "Requests that the vendor has.")
    gauge(
      "privatemode_vendor_queue", admission.share.waitingCount,
      "Requests that wait for their share of the vendor's limits.")
    let pulse = ledgerPulse
    gauge(
      "privatemode_reservations_open", pulse.openReservations,
      "Requests with a reservation in the ledger and no end.")
    gauge(
      "privatemode_ledger_open", ledgerStanding == .open ? 1 : 0,
      "1 if the ledger takes writes; nothing is served otherwise.")
    page.family(
      "privatemode_ledger_commit_seconds", .histogram,
      "Commits that reached the disk; each has one fsync, which takes nearly all of the time.")
    page.histogram("privatemode_ledger_commit_seconds", "", pulse.commitTime)
    page.family("privatemode_vendor_state", .gauge, "1 for the state of the vendor's program.")
    for state in VendorHealth.State.allCases {
      page.sample(
        "privatemode_vendor_state", "state=\"\(state.rawValue)\"", health.state == state ? 1 : 0)
    }
    gauge(
      "privatemode_vendor_draining", health.isDraining ? 1 : 0,
      "1 while the vendor's program is being restarted.")
    page.family(
      "privatemode_alarms_open", .gauge, "Alarms that an administrator has to look at, by kind.")
    for kind in AlarmKind.allCases {
      let count = accounts.alarms.alarms.count { $0.kind == kind && !$0.isPast }
      page.sample("privatemode_alarms_open", "kind=\"\(kind.rawValue)\"", UInt64(count))
    }
    return page.text
  }
}
