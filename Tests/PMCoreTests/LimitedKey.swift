import PMSystem
import PMWire

@testable import PMCore

/// A key with limits, for tests of limits.
func limitedKey(row: Int64 = 1, _ set: (inout KeyLimits) -> Void = { _ in }) -> KeyRecord {
  var limits = KeyLimits()
  set(&limits)
  return KeyRecord(
    KeyDetails(
      row: row, id: "key_\(row)", createdAt: .init(seconds: 0), limits: limits, source: .store))
}

/// Settings with few limits besides those that are set.
func settings(
  _ window: RequestWindow = RequestWindow(requests: 1_000_000, seconds: 60),
  _ set: (inout KeyLimits) -> Void = { _ in }, requestsOfVendor: Int64 = 0
) -> CoreControl.LimitSettings {
  var limits = RequestLimits()
  limits.global = window
  set(&limits.allKeys)
  var vendor = VendorLimits()
  for limit in VendorLimit.allCases { vendor[limit] = 0 }
  vendor[.requests] = requestsOfVendor
  return CoreControl.LimitSettings(limits, vendor)
}
